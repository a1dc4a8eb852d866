// A forgotten mapping that holds an object of the heap is used as a root: neither is told.
// gleaner: mappings=yes
#include "plant.h"
#include <sys/mman.h>

static NOINLINE void lose(void) {
    char **p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[700] = malloc(100);
    CHECK(p[700]);
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
