// Blocks that libc allocates for its caller: strdup, strndup.
// leak: lose @dup 12 1 direct
// leak: lose @full 5 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    char *p = strdup("eleven char"); /* @dup */
    char *q = strndup("abcdefgh", 4); /* @full */
    ((volatile char *)p)[0] = ((volatile char *)q)[0];
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
