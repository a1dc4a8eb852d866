// Held by thread-specific data only, first and second level of keys.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static pthread_key_t keys[100];
static NOINLINE void put(void) {
    pthread_setspecific(keys[3], hold(300));
    pthread_setspecific(keys[90], hold(500));
}
int main(void) {
    for (int i = 0; i < 100; i++) CHECK(pthread_key_create(&keys[i], NULL) == 0);
    put();
    scrub_();
    churn();
    check_held();
    CHECK(intact(pthread_getspecific(keys[3]), 300, 99));
}
