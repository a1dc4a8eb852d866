// free of a pointer into a block ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: *invalid*
#include "check.h"

int main(void) {
    char *p = malloc(100);
    free(OPAQUE(p + 16));
    dprintf(2, "still alive\n");
}
