// A thousand blocks from one call are one group.
// leak: lose @here 100000 1000 direct
#include "plant.h"

static NOINLINE void lose(void) {
    volatile char *p = malloc(100); /* @here */
    *p = 1;
}
int main(void) {
    for (int i = 0; i < 1000; i++) lose();
    scrub();
}
