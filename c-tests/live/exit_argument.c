// Held by libc's list of exit handlers only (on_exit's argument).
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static void handler(int status, void *p) { CHECK(intact(p, 350, 99)); }
static NOINLINE void put(void) { CHECK(on_exit(handler, hold(350)) == 0); }
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
