// Large blocks with mappings of their own, one of which holds the pointer to a small one.
// leak: lose @large 40000000 1 direct
// leak: lose @small 30 1 indirect
#include "plant.h"

static NOINLINE void lose(void) {
    char **big = malloc(40000000); /* @large */
    big[4000000] = malloc(30); /* @small */
    big[4000000][0] = 1;
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
