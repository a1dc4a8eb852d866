// With mappings=no a forgotten mapping is not told.
// gleaner: mappings=no
#include "plant.h"
#include <sys/mman.h>

static NOINLINE void lose(void) {
    CHECK(mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    NOTAIL;
}
int main(void) {
    lose();
    lose();
    free(malloc(1));
    scrub();
}
