// The buffer that getline made, after its stream was closed.
// leak: lose @here 120 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    FILE *f = fmemopen("one line\n", 9, "r");
    char *line = NULL;
    size_t size = 0;
    CHECK(getline(&line, &size, f) == 9); /* @here */
    CHECK(size == 120);
    fclose(f);
    line = NULL;
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
