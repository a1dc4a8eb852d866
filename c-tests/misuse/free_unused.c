// A free of the place behind a block, where the next one will be, ends the program.
// native: no
// status: SIGABRT
// stderr: gleaner: *double free*
#include "check.h"

int main(void) {
    char *p = malloc(200);
    /* Two places of 208 bytes further. */
    free(OPAQUE(p + 2 * 208));
    dprintf(2, "still alive\n");
}
