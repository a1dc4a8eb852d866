// Held by a word in memory that the program took by sbrk.
// native: no
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static NOINLINE void put(void) {
    char **place = sbrk(65536);
    CHECK(place != (void *)-1);
    place[100] = hold(410);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
