// realloc(NULL) and reallocarray allocate.
// leak: lose @one 77 1 direct
// leak: lose @two 80 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    char *p = realloc(OPAQUE((void *)NULL), 77); /* @one */
    char *q = reallocarray(NULL, 10, 8); /* @two */
    *p = *q = 1;
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
