// Held by a global variable.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static char *volatile place;
static NOINLINE void put(void) { place = hold(1000); }
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
