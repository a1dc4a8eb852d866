// The same by a call of exit.
// leak: lose @lost 40 1 direct
#include "plant.h"

static NOINLINE void lose(void) {
    char *p = malloc(40); /* @lost */
    memset(p, 1, 40);
    NOTAIL;
}
static void close_streams(void) {
    fclose(stdout);
    fclose(stderr);
}
int main(void) {
    atexit(close_streams);
    lose();
    scrub();
    exit(0);
}
