// Freed blocks whose links the program overwrote end the program when their turn comes, not by handing out the forged address.
// native: no
// status: SIGABRT
// stderr: gleaner: *was overwritten*
#include "check.h"

enum { N = 5000 };
static char *p[N];
static char forged[64] __attribute__((aligned(16)));

int main(void) {
    for (int i = 0; i < N; i++) p[i] = malloc(48);
    for (int i = 0; i < N; i++)
        if (i % 10) free(p[i]);
    for (int i = 0; i < N; i++)
        if (i % 10) *(void **)OPAQUE(p[i]) = forged;
    for (int i = 0; i < 2 * N; i++)
        if (malloc(48) == (void *)forged) dprintf(2, "the forged address was handed out\n");
    dprintf(2, "still alive\n");
}
