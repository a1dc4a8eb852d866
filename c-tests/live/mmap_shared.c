// Held by a word in a shared anonymous mapping.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

static NOINLINE void put(void) {
    char **map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    map[1234] = hold(400);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
