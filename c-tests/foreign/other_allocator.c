// A block of another allocator, of any length and at any address, dies like all others; its neighbours in the same pages do not.
#include "foreign.h"

/* The other allocator: a bump pointer in a mapping of its own, with a count of what came back. */
static char *room, *next;
static int back;
static void *take(size_t size) { char *p = next; next += size; return p; }
static void give(uintptr_t at, size_t size, uintptr_t arg) {
    CHECK(at >= (uintptr_t)room && at + size <= (uintptr_t)next && size == arg);
    back++;
}
static void *volatile *keep;

static __attribute__((noinline)) void prepare(void) {
    for (int i = 0; i < 100; i++) {
        size_t size = 17 + i % 5 * 8;
        char *p = take(size + 1);
        CHECK(gleaner_adopt(p, size, i & 1 ? GLEANER_SCAN : GLEANER_NOSCAN, give, size, 0) == (gleaner_is_present() ? 0 : GLEANER_ABSENT));
        keep[i] = i < 50 ? p + size / 2 : 0;
    }
}

int main(void) {
    room = next = map(64 * PAGE);
    keep = calloc(100, sizeof *keep);
    prepare();
    next += 64;
    collect(), collect();
    CHECK(back >= 48 * collects() && back <= 50 * collects());
    for (int i = 0; i < 50; i++) keep[i] = 0;
    collect(), collect();
    CHECK(back >= 98 * collects() && back <= 100 * collects());
    return 0;
}
