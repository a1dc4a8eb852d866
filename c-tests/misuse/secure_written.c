// From level 1 on a small block that was written to after its free ends the program when it is handed out again.
// native: no
// gleaner: secure=1
// status: SIGABRT
// stderr: gleaner: the 100-byte block at 0x* was written to after it was freed: byte 50 is 0x41 (thread *)
#include "check.h"

int main(void) {
    char *p = OPAQUE(malloc(100));
    free(p);
    *(volatile char *)(OPAQUE(p) + 50) = 'A';
    for (int i = 0; i < 10; i++) OPAQUE(malloc(100));
    dprintf(2, "still alive\n");
}
