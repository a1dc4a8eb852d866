// A program that frees what it allocates never collects.
// modes: gc
// native: no
// gleaner: stats=1:min_growth=1m
// stderr: ...
// stderr: gleaner: gc: cycles 0, abandoned 0
// stderr: ...
#include "check.h"
#include <stdlib.h>
#include <string.h>

#define KEPT 500
static void *kept[KEPT];

int main(void) {
    for (int i = 0; i < 3000000; i++) {
        int at = rand() % KEPT;
        free(kept[at]);
        size_t n = rand() % 1000;
        kept[at] = malloc(n);
        memset(kept[at], 1, n);
    }
}
