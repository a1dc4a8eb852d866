// Held by thread-local storage only, of the main thread and of another one that waits.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static __thread char *volatile place;
static pthread_barrier_t in, out;
static NOINLINE void put(void) { place = hold(2000); }
static void *work(void *arg) {
    put();
    scrub_();
    pthread_barrier_wait(&in);
    pthread_barrier_wait(&out);
    return NULL;
}
int main(void) {
    pthread_t t;
    pthread_barrier_init(&in, NULL, 2);
    pthread_barrier_init(&out, NULL, 2);
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    pthread_barrier_wait(&in);
    churn();
    check_held();
}
