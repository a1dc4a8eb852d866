// From level 2 on what was written past an end is noticed at the latest when the program ends.
// native: no
// gleaner: secure=2
// status: SIGABRT
// stdout: done
// stderr: gleaner: exit: the 100-byte block at 0x* was written past its end: byte 3 behind it is 0x00 (thread *)
#include "check.h"

int main(void) {
    char *p = OPAQUE(malloc(100));
    *(volatile char *)(p + 103) = 0;
    write(1, "done\n", 5);
}
