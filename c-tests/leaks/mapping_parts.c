// Partly unmapped, protected and mapped over: what is left of one mmap is one mapping.
// gleaner: mappings=yes
// leak: lose @holed 16384 1 mapping
#include "plant.h"
#include <sys/mman.h>

static char *volatile kept, *volatile filled;
static NOINLINE char *map(size_t size) {
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 1, size);
    return p;
}
static NOINLINE void lose(void) {
    char *p = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @holed */
    CHECK(p != MAP_FAILED);
    memset(p, 1, 32768);
    CHECK(munmap(p + 8192, 12288) == 0);
    CHECK(munmap(p + 28672, 4096) == 0);
    CHECK(mprotect(p, 4096, PROT_READ) == 0);
    NOTAIL;
}
static NOINLINE void keep(void) {
    /* Aligned by cutting, with a hole: the pointer leads to the upper part only. */
    char *p = map(1 << 20);
    CHECK(munmap(p, 65536) == 0);
    CHECK(munmap(p + 131072, 65536) == 0);
    kept = p + 262144;
    /* A reservation, filled piece by piece; the only pointer leads to what was laid over it. */
    p = mmap(NULL, 1 << 24, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    filled = mmap(p, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(filled == p);
    filled += 1 << 19;
    NOTAIL;
}
int main(void) {
    lose();
    keep();
    scrub();
}
