// Held by a word that was written into a private mapping of a file.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

static NOINLINE void put(void) {
    FILE *file = tmpfile();
    CHECK(file && ftruncate(fileno(file), 1 << 16) == 0);
    char **map = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
    CHECK(map != MAP_FAILED);
    map[600] = hold(400);
    fclose(file);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
