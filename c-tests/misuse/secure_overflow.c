// From level 1 on a byte behind a block is noticed when it is freed, wherever the slot ends.
// native: no
// gleaner: secure=1
// status: SIGABRT
// stderr: gleaner: free: the 13-byte block at 0x* was written past its end: byte 0 behind it is 0x41 (thread *)
#include "check.h"

int main(void) {
    char *p = OPAQUE(malloc(13));
    *(volatile char *)(p + 13) = 'A';
    free(p);
    dprintf(2, "still alive\n");
}
