// A range may hold garbage beside what the program means: pinning it shows no hidden pointer, and collecting goes on.
// modes: gc
// native: no
// gleaner: limbo=2
#include "check.h"
#include <gleaner.h>

enum { N = 4000, SIZE = 64 };
static char *volatile kept;
static uintptr_t first, last;
static int called;

static void count(uintptr_t at, size_t size, uintptr_t argument) {
    (void)at, (void)size, (void)argument;
    called++;
}
/* Many that nothing points to, some of which the program is told of when they die. */
static __attribute__((noinline)) void make(void) {
    for (int i = 0; i < N; i++) {
        char *p = malloc(SIZE);
        CHECK(p);
        memset(p, 0, SIZE);
        if (i % 16 == 0) CHECK(gleaner_add_cleanup(p, count, 0, 0, NULL) == 0);
        if (i == N / 2) kept = p;
        if (i == 0 || ~(uintptr_t)p > first) first = ~(uintptr_t)p;
        if (i == 0 || ~(uintptr_t)p < last) last = ~(uintptr_t)p;
    }
}
static __attribute__((noinline)) void scrub(void) {
    volatile char room[16384];
    memset((void *)room, 0, sizeof room);
    __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory");
}
static struct gleaner_figures collect(void) {
    struct gleaner_figures now;
    scrub();
    CHECK(gleaner_collect() == 0 && gleaner_stats(&now, sizeof now) == 0);
    return now;
}
/* From an object that is kept to behind the last one. */
static __attribute__((noinline)) void range(int (*call)(const void *, size_t), int answer) {
    size_t rest = ~last - (uintptr_t)kept + SIZE;
    CHECK(call(kept, rest) == answer);
}

int main(void) {
    make();
    scrub();
    CHECK(collect().limbo_objects > N / 2);
    /* Nothing is pinned there: a look at it, and garbage stays what it is to the program. */
    range(gleaner_unpin_range, ENOENT);
    collect();
    range(gleaner_pin_range, 0);
    struct gleaner_figures now = collect();
    CHECK(now.resurrected == 0);
    struct gleaner_scope scope;
    CHECK(gleaner_scope_open(&scope) == 0 && gleaner_scope_pin_range(&scope, kept, 100 * SIZE) == 0);
    CHECK(gleaner_scope_close(&scope) == 0);
    range(gleaner_unpin_range, 0);
    for (int i = 0; i < 4; i++) now = collect();
    gleaner_run_cleanups();
    CHECK(now.resurrected == 0 && now.reclaimed_objects > N - 100 && called > N / 16 - 10);
    /* Nobody's scope, nobody's handle. */
    CHECK(gleaner_scope_open(NULL) == EINVAL && gleaner_scope_pin(NULL, kept) == EINVAL && gleaner_scope_close(NULL) == EINVAL);
    CHECK(gleaner_scope_pin_range(NULL, kept, 1) == EINVAL && gleaner_weak_make(kept, NULL) == EINVAL);
    return 0;
}
