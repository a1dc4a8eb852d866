// munmap and MAP_FIXED over a range, or over a part of it, take its cleanup away; beside it they do not.
#include "foreign.h"

static uint64_t handles[8];
static uintptr_t at[8];

static __attribute__((noinline)) void prepare(void) {
    for (int i = 0; i < 8; i++) at[i] = adopt_new(4 * PAGE, GLEANER_SCAN, i, &handles[i]);
}
static __attribute__((noinline)) void unmap(void) {
    char *p;
    CHECK(munmap(SHOW(at[0]), 4 * PAGE) == 0);
    CHECK(munmap((char *)SHOW(at[1]) + PAGE, PAGE) == 0);
    p = SHOW(at[2]);
    CHECK(mmap(p, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
    p = (char *)SHOW(at[3]) + 3 * PAGE;
    CHECK(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
    /* Refused by the kernel, so nothing is lost. */
    CHECK(munmap((char *)SHOW(at[4]) + 1, PAGE) == -1 && errno == EINVAL);
    CHECK(mmap(SHOW(at[4]), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
    /* What is there is replaced by something else: it is another's memory now. */
    CHECK(mprotect(SHOW(at[5]), 4 * PAGE, PROT_NONE) == 0);
    CHECK(madvise(SHOW(at[6]), 4 * PAGE, MADV_DONTNEED) == 0);
}

int main(void) {
    prepare();
    unmap();
    for (int i = 0; i < 4; i++)
        CHECK(gleaner_disown(handles[i]) == (gleaner_is_present() ? GLEANER_DONE : GLEANER_ABSENT));
    collect(), collect();
    for (int i = 0; i < 8; i++) CHECK(was_called(at[i]) == (i >= 4 && collects()));
    return 0;
}
