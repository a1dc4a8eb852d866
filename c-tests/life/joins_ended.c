// Threads that end before they are joined, with stacks too large for libc to keep: joins, detached threads and pthread_tryjoin_np free them under a lock of libc's, and no collection waits for its deadline.
// flags: -pthread
// modes: gc
// timeout: 60
// gleaner: limbo=1
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

int gleaner_collect(void) __attribute__((weak));
static atomic_int stop;
static atomic_long joined;

static void *briefly(void *arg) {
    volatile char deep[1 << 20];
    for (size_t i = 0; i < sizeof deep; i += 4096) deep[i] = 1;
    return arg;
}
static void *make_and_join(void *how) {
    pthread_attr_t large;
    CHECK(pthread_attr_init(&large) == 0 && pthread_attr_setstacksize(&large, 64 << 20) == 0);
    for (long i = 0; !stop; i++) {
        pthread_t t;
        void *result = NULL, *token = malloc(100);
        CHECK(pthread_create(&t, &large, briefly, token) == 0);
        if (i % 2) usleep(300);
        switch ((long)how) {
        case 0: CHECK(pthread_join(t, &result) == 0); break;
        case 1:
            while ((errno = pthread_tryjoin_np(t, &result)) == EBUSY) usleep(100);
            CHECK(errno == 0);
            break;
        case 2: CHECK(pthread_detach(t) == 0); result = token; break;
        }
        CHECK(result == token);
        if ((long)how != 2) free(token);
        joined++;
    }
    return NULL;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
int main(void) {
    if (gleaner_collect == NULL) return 0;
    pthread_t t[3];
    for (long i = 0; i < 3; i++) CHECK(pthread_create(&t[i], NULL, make_and_join, (void *)i) == 0);
    int done = 0, given_up = 0;
    for (double end = now() + 3; now() < end; usleep(3000)) *(gleaner_collect() == 0 ? &done : &given_up) += 1;
    stop = 1;
    for (int i = 0; i < 3; i++) CHECK(pthread_join(t[i], NULL) == 0);
    /* A machine that is busy with something else may miss a deadline. */
    int good = done > 50 && given_up <= done / 200;
    if (!good) dprintf(2, "%d collections, %d given up, %ld joins\n", done, given_up, (long)joined);
    CHECK(good);
}
