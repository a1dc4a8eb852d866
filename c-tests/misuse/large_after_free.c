// The first large block that a program frees is gone: who reads it faults, as he would with glibc. More of them are kept.
// status: SIGSEGV
// modes: malloc gc
#include "check.h"

int main(void) {
    char *volatile p = malloc(300000);
    memset(p, 'A', 300000);
    free(p);
    dprintf(2, "still alive: %d\n", p[200000]);
}
