// aligned_alloc, posix_memalign, memalign and valloc.
// leak: lose @one 128 1 direct
// leak: lose @two 1000 1 direct
// leak: lose @three 300 1 direct
// leak: lose @four 5000 1 direct
#include "plant.h"
#include <malloc.h>

static NOINLINE void lose(void) {
    char *a = aligned_alloc(64, 128); /* @one */
    void *b;
    posix_memalign(&b, 4096, 1000); /* @two */
    char *c = memalign(32, 300); /* @three */
    char *d = valloc(5000); /* @four */
    *a = *(char *)b = *c = *d = 1;
    b = NULL;
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
