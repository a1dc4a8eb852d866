// A suppression of a function on the stack of its mmap holds for a mapping; another mapping is told.
// modes: leak
// gleaner: suppressions=gleaner-mapping.supp:mappings=yes
// shell: cd /tmp && printf 'leak:lose_known\n' > gleaner-mapping.supp && exec {exe}
// leak: lose_new @new 4096 1 mapping
#include "plant.h"
#include <sys/mman.h>

static NOINLINE void lose_known(void) {
    CHECK(mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    NOTAIL;
}
static NOINLINE void lose_new(void) {
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED); /* @new */
    NOTAIL;
}
int main(void) {
    lose_known();
    lose_new();
    scrub();
}
