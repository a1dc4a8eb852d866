// Blocks written to after free end the program with one line when they would lead malloc astray.
// native: no
// status: SIGABRT
// stderr: gleaner: malloc: the free 64-byte block at * was overwritten (with 0x4141414141414141): *
#include "check.h"

enum { N = 5000 };
static char *p[N];

int main(void) {
    for (int i = 0; i < N; i++) p[i] = malloc(48);
    for (int i = 0; i < N; i++)
        if (i % 10) free(p[i]);
    for (int i = 0; i < N; i++)
        if (i % 10) memset(OPAQUE(p[i]), 'A', 48);
    for (int i = 0; i < 2 * N; i++) (void)OPAQUE(malloc(48));
    dprintf(2, "still alive\n");
}
