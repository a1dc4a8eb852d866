// Sixteen gigabytes of which three words were ever touched: told at once, with what they lead to.
// timeout: 8
// leak: lose @huge 17179869184 16 direct
// leak: lose @held 40 1 indirect
#include "plant.h"

static NOINLINE void lose(int i) {
    char *huge = malloc(1UL << 30); /* @huge */
    CHECK(huge);
    if (i == 3)
        *(void **)(huge + (1UL << 29)) = malloc(40); /* @held */
    NOTAIL;
}
int main(void) {
    for (volatile int i = 0; i < 16; i++)
        lose(i);
    scrub();
    return 0;
}
