// A block written to after free ends the program with one line when it would lead malloc astray.
// native: no
// status: SIGABRT
// stderr: gleaner: malloc: the free 64-byte block at * was overwritten (with 0x4141414141414141): *
#include "check.h"

int main(void) {
    char *keep = malloc(48), *p = malloc(48);
    free(p);
    memset(OPAQUE(p), 'A', 48);
    for (int i = 0; i < 1000; i++) free(OPAQUE(malloc(48 + i % 2)));
    for (int i = 0; i < 1000; i++) (void)OPAQUE(malloc(48));
    free(keep);
    dprintf(2, "still alive\n");
}
