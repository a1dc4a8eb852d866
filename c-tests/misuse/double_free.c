// A block freed twice in a row ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: *double free*
#include "check.h"

int main(void) {
    char *p = malloc(100);
    free(p);
    free(OPAQUE(p));
    dprintf(2, "still alive\n");
}
