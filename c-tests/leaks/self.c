// A block that points to itself is a direct leak.
// leak: make @here 72 1 direct
#include "plant.h"

static NOINLINE void make(void) {
    void **p = malloc(72); /* @here */
    *p = p;
    NOTAIL;
}
int main(void) {
    make();
    scrub();
}
