// A block freed a second time, after a thousand others, ends the program with one line.
// native: no
// status: SIGABRT
// stderr: gleaner: *double free*
#include "check.h"

int main(void) {
    char *p[1000];
    for (int i = 0; i < 1000; i++) p[i] = malloc(48);
    for (int i = 0; i < 1000; i++) free(p[i]);
    free(OPAQUE(p[500]));
    dprintf(2, "still alive\n");
}
