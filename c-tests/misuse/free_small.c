// A small number is no pointer: one line, not a crash in the allocator behind us.
// native: no
// status: SIGABRT
// stderr: gleaner: free: invalid pointer 0x10: its block was freed already, or nothing is there
#include "check.h"

int main(void) {
    free(OPAQUE((void *)16));
    dprintf(2, "still alive\n");
}
