// A freed block whose link the program overwrote ends the program when its turn comes, not by handing out the forged address.
// native: no
// status: SIGABRT
// stderr: gleaner: *was overwritten*
#include "check.h"

static char forged[64] __attribute__((aligned(16)));

int main(void) {
    void *p[4];
    for (int i = 0; i < 4; i++) p[i] = malloc(48);
    for (int i = 0; i < 4; i++) free(p[i]);
    *(void **)OPAQUE(p[3]) = forged;
    for (int i = 0; i < 8; i++)
        if (malloc(48) == (void *)forged) dprintf(2, "the forged address was handed out\n");
    dprintf(2, "still alive\n");
}
