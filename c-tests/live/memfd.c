// Held by a word in a mapped memory file.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

static NOINLINE void put(void) {
    int file = memfd_create("place", 0);
    CHECK(ftruncate(file, 1 << 20) == 0);
    char **map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    map[99] = hold(400);
    close(file);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
