// The start of a mapping of the program's is no block.
// native: no
// status: SIGABRT
// stderr: gleaner: free: invalid pointer *: where a mapping begins, no block does
#include "check.h"
#include <sys/mman.h>

int main(void) {
    char *p = mmap(NULL, 3 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED && munmap(p, 1 << 12) == 0);
    free(OPAQUE(p + (1 << 12)));
    dprintf(2, "still alive\n");
}
