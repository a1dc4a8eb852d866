// free of a pointer into a large block ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: *invalid*
#include "check.h"

int main(void) {
    char *p = malloc(OPAQUE(10 << 20));
    free(OPAQUE(p + 4096));
    dprintf(2, "still alive\n");
}
