// A block of some pages freed twice ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: * free*
#include "check.h"

int main(void) {
    char *p = malloc(OPAQUE(60000)), *q = malloc(OPAQUE(60000));
    free(p);
    free(OPAQUE(p));
    free(q);
    dprintf(2, "still alive\n");
}
