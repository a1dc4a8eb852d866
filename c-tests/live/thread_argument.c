// Held by the argument of a thread that has not begun to run its routine.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static _Atomic int done;
static void *work(void *arg) {
    CHECK(intact(arg, 300, 99));
    done++;
    free(arg);
    return NULL;
}
static NOINLINE void start(pthread_t *t) { CHECK(pthread_create(t, NULL, work, hold(300)) == 0); }
int main(void) {
    pthread_t t[40];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 40; i++) start(&t[i]);
        held_size_ = 0;
        churn();
        for (int i = 0; i < 40; i++) CHECK(pthread_join(t[i], NULL) == 0);
    }
    CHECK(done == 200);
}
