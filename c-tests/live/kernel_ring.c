// Held by an operation of an io_uring: its entry is still in the ring.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include "ring.h"

static int ends[2];
static NOINLINE void give(int ring) { ring_poll(ring, ends[0], hold(700)); }
static NOINLINE void take(int ring) {
    (void)ring;
    CHECK(write(ends[1], "", 1) == 1);
    void *p;
    while (!(p = ring_next())) usleep(1000);
    CHECK((uintptr_t)p == HIDE(hidden_) && intact(p, 700, 99));
}
int main(void) {
    int ring = ring_open();
    if (ring < 0) return 0;
    CHECK(pipe(ends) == 0);
    give(ring);
    scrub_();
    churn();
    check_held();
    if (in_mode("gc")) take(ring);
}
