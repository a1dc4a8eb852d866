// A block that grew: the report names the realloc that made it what it is.
// leak: grow @here 5000 1 direct
#include "plant.h"

static NOINLINE void grow(void) {
    char *p = malloc(10);
    p = realloc(p, 5000); /* @here */
    memset(p, 1, 5000);
    NOTAIL;
}
int main(void) {
    grow();
    scrub();
}
