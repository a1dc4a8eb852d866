// Held by a global and by a worker's stack when the main thread has left by pthread_exit: /proc/self is empty then.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static char *volatile place;
static pthread_t leader;
static NOINLINE void put(void) { place = hold(3000); }
static void *work(void *arg) {
    char *volatile own = malloc(600);
    fill(own, 600, 3);
    CHECK(pthread_join(leader, NULL) == 0);
    scrub_();
    churn();
    check_held();
    CHECK(intact(own, 600, 3));
    free(own);
    exit(0);
}
int main(void) {
    pthread_t t;
    put();
    leader = pthread_self();
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    pthread_detach(t);
    pthread_exit(NULL);
}
