// A mapping that mremap moved and made longer belongs to its mmap; shrunk, it is told with what is left.
// gleaner: mappings=yes
// leak: lose @grown 819200 1 mapping
// leak: lose @shrunk 4096 1 mapping
#include "plant.h"
#include <sys/mman.h>

static char *volatile kept;
static NOINLINE void lose(void) {
    int rw = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *grown = mmap(NULL, 8192, rw, flags, -1, 0); /* @grown */
    char *shrunk = mmap(NULL, 40960, rw, flags, -1, 0); /* @shrunk */
    char *moved = mmap(NULL, 8192, rw, flags, -1, 0);
    CHECK(grown != MAP_FAILED && shrunk != MAP_FAILED && moved != MAP_FAILED);
    CHECK(mremap(grown, 8192, 819200, MREMAP_MAYMOVE) != MAP_FAILED);
    CHECK(mremap(shrunk, 40960, 4096, 0) == shrunk);
    kept = mremap(moved, 8192, 409600, MREMAP_MAYMOVE);
    CHECK(kept != MAP_FAILED);
    kept += 300000;
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
