// Held by a page that was made read-only afterwards.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

static NOINLINE void put(void) {
    char **map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map[700] = hold(400);
    CHECK(mprotect(map, 8192, PROT_READ) == 0);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
