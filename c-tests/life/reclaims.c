// The control for c-tests/live: of 1,000 objects whose only pointers are hidden, gc mode gives the addresses out again.
// modes: gc
// native: no
// gleaner: min_growth=256k:collect_every=1m
#include "live.h"

enum { N = 1000 };
static uintptr_t place[N];
static NOINLINE void put(void) {
    for (int i = 0; i < N; i++) place[i] = HIDE(malloc(208));
}
static NOINLINE int again(void) {
    int found = 0;
    for (int i = 0; i < 100000; i++) {
        uintptr_t p = HIDE(malloc(208));
        for (int k = 0; k < N; k++)
            if (place[k] == p) place[k] = 0, found++;
    }
    return found;
}
int main(void) {
    put();
    scrub_();
    int found = again();
    if (found < N / 2) dprintf(2, "only %d of %d came back\n", found, N);
    return found < N / 2;
}
