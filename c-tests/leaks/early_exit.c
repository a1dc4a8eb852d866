// The program ends by exit() from a function, not by returning from main.
// leak: lose @here 64 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    volatile char *p = malloc(64); /* @here */
    *p = 1;
}
static NOINLINE void leave(void) {
    scrub();
    exit(0);
}
int main(void) {
    lose();
    leave();
}
