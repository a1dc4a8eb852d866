// A block of some pages that was written to after its free ends the program when it is handed out again.
// modes: malloc gc
// native: no
// status: SIGABRT
// stderr: gleaner: malloc: the free *-byte block at * was overwritten (with 0x4141414141414141): *
#include "check.h"

int main(void) {
    char *p = malloc(5000), *q = malloc(5000);
    free(p);
    memset(OPAQUE(p), 'A', 5000);
    p = malloc(5000);
    dprintf(2, "still alive: %d %d\n", p[0], q[0]);
}
