// gleaner_disown tells the truth: taken back, due or running, over.
#include "foreign.h"

static uint64_t own, due, old;
static int inside;
void *volatile keep;

static void running(uintptr_t at, size_t size, uintptr_t arg) {
    inside++;
    CHECK(gleaner_disown(*(uint64_t *)arg) == GLEANER_QUEUED);
    /* The range may be adopted anew before its old cleanup has returned; memory may be had and given back. */
    free(malloc(1000));
    uint64_t again;
    CHECK(gleaner_adopt((void *)at, size, GLEANER_NOSCAN, note, 7, &again) == 0);
    CHECK(gleaner_disown(again) == 0);
    CHECK(munmap((void *)at, size) == 0);
    CHECK(gleaner_disown(own) == 0 && gleaner_run_cleanups() == 0);
}
static __attribute__((noinline)) void prepare(void) {
    CHECK(gleaner_adopt(map(PAGE), PAGE, GLEANER_NOSCAN, running, (uintptr_t)&due, &due) == 0);
    adopt_new(PAGE, GLEANER_NOSCAN, 0, &own);
    old = own;
    CHECK(gleaner_disown(old) == 0 && gleaner_disown(old) == GLEANER_DONE);
    void *p = map(PAGE);
    own = adopt_note(p, PAGE, GLEANER_NOSCAN, 0);
    keep = p;
}

int main(void) {
    if (!gleaner_is_present()) return gleaner_disown(1) != GLEANER_ABSENT;
    prepare();
    CHECK(gleaner_disown(old) == GLEANER_DONE && gleaner_disown(0) == GLEANER_DONE && gleaner_disown(~0ull) == GLEANER_DONE);
    for (int i = 0; i < 4; i++) forget(), gleaner_collect();
    if (!collects()) return inside;
    CHECK(gleaner_disown(due) == GLEANER_QUEUED && inside == 0);
    CHECK(gleaner_run_cleanups() == 1 && inside == 1 && called == 0);
    CHECK(gleaner_disown(due) == GLEANER_DONE && gleaner_disown(own) == GLEANER_DONE);
    return 0;
}
