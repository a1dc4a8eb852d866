// Held by a pointer one past its end.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static char *small, *large;
static NOINLINE void put(void) {
    small = hold(64);
    small += 64;
    large = malloc(1 << 20);
    memset(large, 7, 1 << 20);
    large += 1 << 20;
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
    CHECK(large[-1] == 7 && large[-(1 << 20)] == 7);
}
