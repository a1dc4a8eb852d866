// malloc_usable_size of what is no block of any allocator says so, where glibc would read a length that is none.
// native: no
// status: SIGABRT
// stderr: gleaner: malloc_usable_size: invalid pointer *: in a program's or library's image
#include "check.h"
#include <malloc.h>

int main(void) {
    static char global[4096];
    dprintf(2, "%zu\n", malloc_usable_size(OPAQUE((void *)(global + 64))));
}
