// A write a megabyte behind the first small block of a program faults.
// status: SIGSEGV
// modes: malloc gc
#include "check.h"

int main(void) {
    char *p = OPAQUE(malloc(100));
    *(volatile char *)(p + (1 << 20)) = 1;
    dprintf(2, "still alive\n");
}
