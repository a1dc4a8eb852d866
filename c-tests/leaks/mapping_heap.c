// A mapping that only a leaked object leads to: the object is told, the mapping is a part of it.
// gleaner: mappings=yes
// leak: lose @object 40 1 direct
#include "plant.h"
#include <sys/mman.h>

static NOINLINE void lose(void) {
    char **object = malloc(40); /* @object */
    CHECK(object);
    object[3] = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(object[3] != MAP_FAILED);
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
