// calloc, small and large.
// leak: lose @small 60 1 direct
// leak: lose @large 3000000 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    char *p = calloc(6, 10); /* @small */
    char *q = calloc(3, 1000000); /* @large */
    *p = *q = 1;
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
