// A thread that sleeps, polls and reads never sees EINTR, or a short sleep, because of a collection in another.
// flags: -pthread
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <time.h>

static volatile int stop;
static void *churn(void *arg) {
    char *kept[64];
    while (!stop) {
        /* Many at a time, or the slow paths that collect are never taken. */
        for (int i = 0; i < 64; i++) kept[i] = malloc(6000);
        for (int i = 0; i < 64; i++) free(kept[i]);
        usleep(500);
    }
    return NULL;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    int epoll = epoll_create1(0);
    struct epoll_event event;
    sem_t sem;
    sem_init(&sem, 0, 0);
    double start = now();
    for (int i = 0; i < 20; i++) {
        CHECK(poll(NULL, 0, 20) == 0);
        CHECK(epoll_wait(epoll, &event, 1, 20) == 0);
        struct timespec ts = {0, 20000000};
        CHECK(nanosleep(&ts, NULL) == 0);
        CHECK(usleep(20000) == 0);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        errno = 0;
        CHECK(sem_timedwait(&sem, &until) == -1 && errno == ETIMEDOUT);
    }
    CHECK(now() - start >= 1.99);
    CHECK(sleep(1) == 0);
    stop = 1;
    pthread_join(t, NULL);
}
