// Held by a pointer one past its end.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static char *volatile small, *volatile large;
static NOINLINE void put(void) {
    small = hold(64) + 64;
    char *p = malloc(1 << 20);
    memset(p, 7, 1 << 20);
    large = p + (1 << 20);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
    CHECK(large[-1] == 7 && large[-(1 << 20)] == 7);
}
