// Held by a word in a private anonymous mapping.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

static uintptr_t hidden_map;
static NOINLINE void put(void) {
    char **map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    map[77777] = hold(400);
    hidden_map = HIDE(map);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
    CHECK(hidden_map);
}
