// The control for c-tests/live: an object whose only pointer is hidden by exclusive or is reported.
// leak: put @here 1000 1 direct
#include "plant.h"

static uintptr_t place;
static NOINLINE void put(void) {
    place = (uintptr_t)malloc(1000) ^ 0xa5a5a5a5a5a5a5a5u; /* @here */
    NOTAIL;
}
int main(void) {
    put();
    scrub();
    return place == 0;
}
