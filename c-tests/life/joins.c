// Joining: results, errors, time-outs and cancellation are libc's while collections run, and a result that nobody else holds is kept.
// flags: -pthread
// modes: malloc gc
// timeout: 60
// gleaner: collect_every=256k:limbo=1:checkmark=yes
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>

#define SIZE 777
static volatile int stop;

static void *churn(void *arg) {
    char *kept[64];
    while (!stop) {
        for (int i = 0; i < 64; i++) memset(kept[i] = malloc(i & 1 ? 6000 : SIZE), 0xee, SIZE);
        for (int i = 0; i < 64; i += 1 + (i & 1)) free(kept[i]);
        usleep(200);
    }
    return NULL;
}
static struct timespec after(clockid_t clock, int ms) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000, t.tv_nsec %= 1000000000;
    return t;
}
static char *made(void) {
    char *p = malloc(SIZE);
    fill(p, SIZE, 7);
    return p;
}
static void *give(void *arg) {
    if (arg) usleep((long)arg);
    char *p = made();
    if ((long)arg & 1) pthread_exit(p);
    return p;
}
static int give_small(void *arg) {
    usleep(1000);
    free(arg);
    return 42;
}
static void *wait_for(void *sem) {
    CHECK(sem_wait(sem) == 0);
    return made();
}
static void take(void *result) {
    CHECK(intact(result, SIZE, 7));
    free(result);
}
static void results(void) {
    pthread_t t[8];
    void *result;
    for (int round = 0; round < 60; round++) {
        for (long i = 0; i < 8; i++) CHECK(pthread_create(&t[i], NULL, give, (void *)(i * 137)) == 0);
        for (int i = 0; i < 8; i++) {
            struct timespec real = after(CLOCK_REALTIME, 20000), mono = after(CLOCK_MONOTONIC, 20000);
            switch (i % 3) {
            case 0: CHECK(pthread_join(t[i], &result) == 0); break;
            case 1: CHECK(pthread_timedjoin_np(t[i], &result, &real) == 0); break;
            case 2: CHECK(pthread_clockjoin_np(t[i], &result, CLOCK_MONOTONIC, &mono) == 0); break;
            }
            take(result);
        }
    }
    thrd_t c11;
    int small;
    CHECK(thrd_create(&c11, give_small, malloc(100)) == thrd_success && thrd_join(c11, &small) == thrd_success && small == 42);
    /* Stacks of the program's own, and more of libc's than it keeps: the join itself frees. */
    pthread_attr_t big;
    pthread_attr_init(&big);
    pthread_attr_setstacksize(&big, 30 << 20);
    for (int round = 0; round < 20; round++) {
        for (long i = 0; i < 8; i++) CHECK(pthread_create(&t[i], &big, give, (void *)(i * 137)) == 0);
        for (int i = 0; i < 8; i++) {
            CHECK(pthread_join(t[i], &result) == 0);
            take(result);
        }
    }
}
static pthread_t leader;
static void *join_that(void *thread) {
    void *result = NULL;
    CHECK(pthread_join(*(pthread_t *)thread, &result) == 0);
    return result;
}
static void errors(void) {
    static sem_t sem, other;
    pthread_t t, joiner;
    void *result;
    sem_init(&sem, 0, 0), sem_init(&other, 0, 0);
    leader = pthread_self();
    CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
    /* Detached. */
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    CHECK(pthread_create(&t, &attr, wait_for, &other) == 0 && pthread_join(t, NULL) == EINVAL);
    sem_post(&other);
    /* Time over, in its time; then joined all the same. */
    CHECK(pthread_create(&t, NULL, wait_for, &sem) == 0);
    struct timespec start = after(CLOCK_MONOTONIC, 0), real = after(CLOCK_REALTIME, 100), mono = after(CLOCK_MONOTONIC, 200);
    CHECK(pthread_tryjoin_np(t, &result) == EBUSY);
    CHECK(pthread_timedjoin_np(t, &result, &real) == ETIMEDOUT);
    CHECK(pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
    struct timespec end = after(CLOCK_MONOTONIC, 0);
    CHECK((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 >= 198);
    sem_post(&sem);
    CHECK(pthread_join(t, &result) == 0);
    take(result);
    /* Cancelled: the thread can be joined by another. */
    for (int i = 0; i < 40; i++) {
        CHECK(pthread_create(&t, NULL, wait_for, &sem) == 0 && pthread_create(&joiner, NULL, join_that, &t) == 0);
        usleep(i % 5 * 500);
        CHECK(pthread_cancel(joiner) == 0);
        if (i % 2) sem_post(&sem);
        CHECK(pthread_join(joiner, &result) == 0);
        if (result != PTHREAD_CANCELED) {
            take(result);
            continue;
        }
        if (i % 2 == 0) sem_post(&sem);
        CHECK(pthread_join(t, &result) == 0);
        take(result);
    }
}
static void handle(int signal) {
    for (int i = 0; i < 20; i++) free(made());
}
static void *kick(void *arg) {
    for (int i = 0; i < 5; i++) {
        usleep(3000);
        pthread_kill(leader, SIGUSR1);
    }
    return made();
}
/* Handlers run in a join, and allocate. */
static void handlers(void) {
    struct sigaction act = {.sa_handler = handle};
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        void *result;
        CHECK(pthread_create(&t, NULL, kick, NULL) == 0 && pthread_join(t, &result) == 0);
        take(result);
        take(made());
    }
}
/* Ends without a word to anybody. */
static void *silent(void *arg) {
    usleep(5000);
    syscall(SYS_exit, 0);
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    results();
    errors();
    handlers();
    for (int i = 0; i < 20; i++) {
        pthread_t quiet;
        CHECK(pthread_create(&quiet, NULL, silent, NULL) == 0 && pthread_join(quiet, NULL) == 0);
        take(made());
    }
    stop = 1;
    CHECK(pthread_join(t, NULL) == 0);
}
