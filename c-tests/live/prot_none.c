// Held by a page that is PROT_NONE for the time being, and by one of the heap's own pages in that state.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

static char **volatile map, **volatile heap;
static NOINLINE void put(void) {
    map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map[700] = hold(400);
    CHECK(mprotect(map, 8192, PROT_NONE) == 0);
    heap = aligned_alloc(4096, 8192);
    heap[700] = hold(500);
    CHECK(mprotect(heap, 8192, PROT_NONE) == 0);
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
    CHECK(mprotect(heap, 8192, PROT_READ | PROT_WRITE) == 0 && mprotect(map, 8192, PROT_READ) == 0);
    CHECK(intact(map[700], 400, 99));
}
