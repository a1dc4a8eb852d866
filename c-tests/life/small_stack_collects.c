// A thread with the smallest stack that there is collects, and exits with a leak check: both need more room than it has.
// gleaner[gc]: collect_every=64k
// flags: -pthread
#include "check.h"
#include <limits.h>
#include <pthread.h>

static pthread_barrier_t all;

static void *work(void *arg) {
    enum { N = 64 };
    void *kept[N] = {0};
    for (int i = 0; i < 4000; i++) {
        free(kept[i % N]);
        kept[i % N] = malloc(200 + i % 500);
        fill(kept[i % N], 200, i % N);
    }
    for (int i = 0; i < N; i++) {
        CHECK(intact(kept[i], 200, i));
        free(kept[i]);
    }
    pthread_barrier_wait(&all);
    if (arg) exit(0);
    return arg;
}
int main(void) {
    enum { THREADS = 20 };
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
    pthread_barrier_init(&all, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&t, &attr, work, i == 0 ? &all : NULL) == 0);
    pthread_barrier_wait(&all);
    pause();
}
