// A block's first page costs one page fault, not one for a read of malloc's and one for the first write.
// modes: malloc gc
// native: no
// gleaner: thp=system
#include "check.h"
#include <sys/resource.h>

enum { COUNT = 4000, SIZE = 4000 };
static char *blocks[COUNT];

static long faults(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
}

int main(void) {
    memset(blocks, 1, sizeof blocks);
    long had = faults();
    for (int i = 0; i < COUNT; i++) *(blocks[i] = malloc(SIZE)) = 1;
    long more = faults() - had;
    if (more > COUNT + COUNT / 4) printf("%ld page faults\n", more);
    for (int i = 0; i < COUNT; i++) free(blocks[i]);
    return more > COUNT + COUNT / 4;
}
