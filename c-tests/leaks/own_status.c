// exitcode=0 keeps the program's own status; the report is written all the same.
// gleaner: exitcode=0
// status: 9
// leak: lose @here 64 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    volatile char *p = malloc(64); /* @here */
    *p = 1;
}
int main(void) {
    lose();
    scrub();
    return 9;
}
