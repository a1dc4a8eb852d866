// A large block freed twice ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: * free*
#include "check.h"

int main(void) {
    char *p = malloc(OPAQUE(10 << 20));
    free(p);
    free(OPAQUE(p));
    dprintf(2, "still alive\n");
}
