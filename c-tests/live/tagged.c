// Held by pointers with tags in their low bits.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static volatile uintptr_t place[3];
static NOINLINE void put(void) {
    place[0] = (uintptr_t)hold(100) | 1;
    place[1] = (uintptr_t)hold(100) | 7;
    place[2] = (uintptr_t)hold(100) | 15;
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
    for (int i = 0; i < 3; i++) CHECK(intact((char *)(place[i] & ~(uintptr_t)15), 100, 99));
}
