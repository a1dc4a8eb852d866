// A program asleep in blocking calls is checked, twice: what leaked is found, and no call ends early.
// modes: leak
// native: no
// flags: -pthread
// leak: lose @here 100 1 direct
#include "plant.h"
#include "visitor.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

static NOINLINE void lose(void) {
    volatile char *p = malloc(100); /* @here */
    *p = 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
enum { SECONDS = 3 };

static void *polls(void *arg) {
    CHECK(poll(NULL, 0, SECONDS * 1000) == 0);
    return arg;
}
static void *waits_for_events(void *arg) {
    struct epoll_event event;
    int epoll = epoll_create1(0);
    CHECK(epoll_wait(epoll, &event, 1, SECONDS * 1000) == 0);
    close(epoll);
    return arg;
}
static void *waits_raw(void *arg) {
    int epoll = epoll_create1(0);
    char room[64];
    register long timeout __asm__("r10") = SECONDS * 1000;
    long result;
    __asm__ volatile("mov $232, %%eax\n syscall" : "=a"(result) : "D"(epoll), "S"(room), "d"(1), "r"(timeout) : "rcx", "r11", "memory");
    CHECK(result == 0);
    close(epoll);
    return arg;
}
static void *sleeps(void *arg) {
    struct timespec t = {SECONDS, 0};
    CHECK(nanosleep(&t, NULL) == 0);
    return arg;
}
static void *waits(void *arg) {
    struct timespec t;
    sem_t sem;
    CHECK(sem_init(&sem, 0, 0) == 0);
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += SECONDS;
    CHECK(sem_timedwait(&sem, &t) == -1 && errno == ETIMEDOUT);
    return arg;
}
static void *receives(void *arg) {
    int pair[2];
    struct timeval t = {SECONDS, 0};
    char byte;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    CHECK(recv(pair[0], &byte, 1, 0) == -1 && errno == EAGAIN);
    close(pair[0]);
    close(pair[1]);
    return arg;
}

int main(void) {
    void *(*bodies[])(void *) = {polls, waits_for_events, waits_raw, sleeps, waits, receives};
    enum { N = sizeof bodies / sizeof *bodies };
    pthread_t threads[N];
    static char text[65536];
    lose();
    scrub();
    double begun = now();
    for (int i = 0; i < N; i++) CHECK(pthread_create(&threads[i], NULL, bodies[i], NULL) == 0);
    for (int i = 0; i < 2; i++) {
        usleep(200000);
        CHECK(visit(getpid(), "", text, sizeof text) == 23);
        CHECK(strstr(text, "Direct leak of 100 byte(s) in 1 object(s)") && strstr(text, " in lose "));
        CHECK(strstr(text, "SUMMARY: LeakSanitizer: 100 byte(s) leaked in 1 allocation(s)."));
    }
    for (int i = 0; i < N; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(now() - begun > SECONDS - 0.1 && now() - begun < SECONDS + 8);
}
