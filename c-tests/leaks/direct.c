// One block whose only pointer was a local variable.
// leak: lose @here 48 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    char *p = malloc(48); /* @here */
    memset(p, 1, 48);
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
