// realloc of a pointer into a block ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: *invalid*
#include "check.h"

int main(void) {
    char *p = malloc(100);
    p = realloc(OPAQUE(p + 16), 200);
    dprintf(2, "still alive\n");
}
