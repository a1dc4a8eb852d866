// A child has the registrations of its own copy of the memory; not those that are its parent's alone, or whose memory it does not get.
#include "foreign.h"

static uintptr_t own, wide, without;
static uint64_t h_own, h_wide, h_without;
static void *volatile keep[3];

static __attribute__((noinline)) void prepare(void) {
    own = adopt_new(PAGE, GLEANER_SCAN, 1, &h_own);
    wide = adopt_new(PAGE, GLEANER_SCAN | GLEANER_THIS_PROCESS, 2, &h_wide);
    without = adopt_new(PAGE, GLEANER_NOSCAN, 3, &h_without);
    CHECK(madvise(SHOW(without), PAGE, MADV_DONTFORK) == 0);
    keep[0] = SHOW(own), keep[1] = SHOW(wide), keep[2] = SHOW(without);
}
static void expect(int own_calls, int others) {
    collect(), collect();
    CHECK(was_called(own) == own_calls && was_called(wide) == others && was_called(without) == others);
    CHECK(called == own_calls + 2 * others);
}

int main(void) {
    prepare();
    collect();
    CHECK(called == 0);
    pid_t child = fork();
    if (child == 0) {
        if (gleaner_is_present()) CHECK(gleaner_disown(h_wide) == GLEANER_DONE && gleaner_disown(h_without) == GLEANER_DONE);
        expect(0, 0);
        memset((void *)keep, 0, sizeof keep);
        expect(collects(), 0);
        /* Adopting goes on, and a child of a child has it all, too. */
        uintptr_t more = adopt_new(PAGE, GLEANER_NOSCAN, 4, 0);
        pid_t next = fork();
        CHECK(next >= 0);
        collect(), collect();
        CHECK(was_called(more) == collects());
        if (next == 0) _exit(0);
        int status;
        CHECK(waitpid(next, &status, 0) == next && status == 0);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    expect(0, 0);
    memset((void *)keep, 0, sizeof keep);
    expect(collects(), collects());
    return 0;
}
