// A mapping that nothing points to is cleaned up once, with its address, size and argument; one that is pointed to is not.
#include "foreign.h"

static void *volatile kept;

static __attribute__((noinline)) void prepare(uintptr_t *dead, uintptr_t *live) {
    *dead = adopt_new(3 * PAGE, GLEANER_NOSCAN, 42, 0);
    *live = adopt_new(2 * PAGE, GLEANER_SCAN, 43, 0);
    kept = (char *)SHOW(*live) + 5000;
}

int main(void) {
    uintptr_t dead, live;
    prepare(&dead, &live);
    collect(), collect();
    CHECK(called == collects());
    if (collects()) CHECK(calls[0].at == dead && calls[0].size == 3 * PAGE && calls[0].arg == 42);
    kept = 0;
    collect(), collect();
    CHECK(called == 2 * collects() && was_called(live) == collects());
    return 0;
}
