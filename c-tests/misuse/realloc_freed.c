// realloc of a freed block ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: *realloc*
#include "check.h"

int main(void) {
    char *p = malloc(100);
    free(p);
    p = realloc(OPAQUE(p), 200);
    dprintf(2, "still alive\n");
}
