// The program moves its break by brk and sbrk; the memory is its own (glibc uses the break itself).
// native: no
#include "check.h"

int main(void) {
    char *start = sbrk(0);
    CHECK(start != (void *)-1);
    CHECK(sbrk(1 << 20) == start);
    fill(start, 1 << 20, 2);
    free(malloc(100));
    CHECK(sbrk(1 << 20) == start + (1 << 20));
    for (int i = 0; i < 1000; i++) free(malloc(i * 100));
    CHECK(intact(start, 1 << 20, 2));
    CHECK(brk(start) == 0 && sbrk(0) == start);
}
