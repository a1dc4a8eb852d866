// collect_every means what it says, whatever the size of the blocks: so many bytes allocated, so many collections.
// modes: gc
// native: no
// gleaner: collect_every=1m:marking=stopped
#include "check.h"
#include <gleaner.h>

static void *kept[200000];

static uint64_t collections(void) {
    struct gleaner_figures s;
    CHECK(gleaner_stats(&s, sizeof s) == 0);
    return s.collections;
}
int main(void) {
    static const size_t sizes[] = {40, 100, 1000, 3000, 6000, 40000, 300000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = (16 << 20) / sizes[i];
        uint64_t before = collections();
        for (size_t k = 0; k < n; k++) kept[k % 200000] = malloc(sizes[i]);
        uint64_t done = collections() - before;
        if (done < 12 || done > 24) dprintf(2, "%zu bytes: %d collections\n", sizes[i], (int)done);
    }
}
