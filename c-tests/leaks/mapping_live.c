// Mappings with a pointer in an awkward place, or in disguise: none is told.
// gleaner: mappings=yes
#include "plant.h"
#include <sys/mman.h>

#define SIZE (5 * 4096ul)
static volatile uintptr_t interior, end, below, page, high, low, below_alone, end_alone, split_at;
static char **volatile outer;
static __thread char *volatile of_thread;
static struct { int odd; char *p; } *volatile in_heap;

/* `place` mappings up from a place where nothing else is: each at the end of the one before. */
static NOINLINE char *map(int place) {
    char *p = mmap((char *)0x200000000000 + place * SIZE, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    return p;
}
static NOINLINE void hold(void) {
    /* Two that touch: the address between them is the lower one's end. */
    end = (uintptr_t)map(1) + SIZE;
    interior = (uintptr_t)map(2) + SIZE - 100;
    /* Two that touch, and one alone. */
    page = (uintptr_t)map(4) >> 12;
    below = (uintptr_t)map(5) - 4;
    below_alone = (uintptr_t)map(7) - 4096;
    end_alone = (uintptr_t)map(9) + SIZE;
    high = (uintptr_t)map(11) | 0xabcdul << 48;
    low = (uintptr_t)map(13) | 5;
    of_thread = map(20);
    outer = (char **)map(22);
    outer[1000] = map(24);
    in_heap = malloc(sizeof *in_heap);
    CHECK(in_heap);
    in_heap->p = map(26) + 4096;
    /* Half of it is closed, and a page became a guard. */
    char *split = map(28);
    CHECK(mprotect(split, 4096, PROT_NONE) == 0);
    split_at = (uintptr_t)split + 4096 * 3;
    NOTAIL;
}
int main(void) {
    hold();
    scrub();
}
