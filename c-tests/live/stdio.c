// Held by streams that were opened and never closed.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static NOINLINE void put(void) {
    FILE *f = fopen("/dev/null", "w");
    CHECK(f && setvbuf(f, hold(4096), _IOFBF, 4096) == 0);
    FILE *g = fopen("/proc/self/maps", "r");
    char line[100];
    CHECK(g && fgets(line, sizeof line, g));
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
