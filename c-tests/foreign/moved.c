// mremap takes a range's cleanup along, in place or elsewhere; a smaller mapping has a smaller range; MREMAP_DONTUNMAP ends it.
#include "foreign.h"

static uint64_t handles[6];
static uintptr_t hidden[6], now[6];
static void *volatile keep;

static __attribute__((noinline)) void *move(int i, size_t old, size_t new, int flags, void *to) {
    hidden[i] = adopt_new(old, GLEANER_SCAN, i, &handles[i]);
    void *p = mremap(SHOW(hidden[i]), old, new, flags, to);
    CHECK(p != MAP_FAILED);
    now[i] = HIDE(p);
    return p;
}
static __attribute__((noinline)) void prepare(void) {
    char *room = map(64 * PAGE);
    /* Elsewhere. */
    CHECK(move(0, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
    CHECK(move(1, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 8 * PAGE) == room + 8 * PAGE);
    move(2, 4 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 16 * PAGE);
    /* In place. */
    move(3, 4 * PAGE, PAGE, 0, 0);
    /* The memory stays, too, and is empty. */
    move(4, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    /* Over another one. */
    hidden[5] = adopt_new(PAGE, GLEANER_NOSCAN, 5, &handles[5]);
    CHECK(mremap(map(PAGE), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, SHOW(hidden[5])) == SHOW(hidden[5]));
    *(volatile char *)SHOW(hidden[5]) = 1;
}
static __attribute__((noinline)) void keep_moved(void) { keep = (char *)SHOW(now[0]) + 3 * PAGE; }

int main(void) {
    static const size_t sizes[] = {4 * PAGE, 2 * PAGE, 4 * PAGE, PAGE};
    prepare(), keep_moved();
    collect(), collect();
    CHECK(called == 3 * collects() && !was_called(now[0]));
    keep = 0;
    collect(), collect();
    CHECK(called == 4 * collects());
    for (int i = 0; i < called; i++) CHECK(calls[i].arg < 4 && calls[i].size == sizes[calls[i].arg] && calls[i].at == now[calls[i].arg]);
    CHECK(gleaner_disown(handles[4]) == (gleaner_is_present() ? GLEANER_DONE : GLEANER_ABSENT));
    CHECK(gleaner_disown(handles[5]) == (gleaner_is_present() ? GLEANER_DONE : GLEANER_ABSENT));
    return 0;
}
