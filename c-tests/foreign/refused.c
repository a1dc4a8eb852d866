// Overlaps are EEXIST, neighbours are not; nothing, wrapping sizes, our own memory and strange flags are EINVAL.
#include "foreign.h"

static int try(void *at, size_t size, unsigned flags) {
    uint64_t handle = 1;
    errno = 77;
    int status = gleaner_adopt(at, size, flags, note, 0, &handle);
    CHECK(errno == 77 && (handle != 0) == (status == 0));
    return status;
}
static int is(int status, int wanted) { return status == (gleaner_is_present() ? wanted : GLEANER_ABSENT); }

int main(void) {
    char *p = map(16 * PAGE);
    uint64_t middle = adopt_note(p + 4 * PAGE + 3, 2 * PAGE, GLEANER_NOSCAN, 0);
    CHECK(is(try(p + 4 * PAGE + 3, 2 * PAGE, GLEANER_NOSCAN), EEXIST));
    CHECK(is(try(p, 16 * PAGE, GLEANER_NOSCAN), EEXIST));
    CHECK(is(try(p, 4 * PAGE + 4, GLEANER_SCAN), EEXIST));
    CHECK(is(try(p + 6 * PAGE + 2, 1, GLEANER_NOSCAN), EEXIST));
    /* Adjacent on both sides, to the byte. */
    CHECK(is(try(p + 4 * PAGE, 3, GLEANER_NOSCAN), 0));
    CHECK(is(try(p + 6 * PAGE + 3, 1, GLEANER_SCAN), 0));
    CHECK(is(gleaner_disown(middle), 0));
    CHECK(is(gleaner_disown(middle), GLEANER_DONE));
    CHECK(is(try(p + 4 * PAGE + 3, 2 * PAGE, GLEANER_NOSCAN), 0));

    CHECK(is(try(p, 0, GLEANER_NOSCAN), EINVAL));
    CHECK(is(try(0, 1, GLEANER_NOSCAN), EINVAL));
    CHECK(is(try(p, SIZE_MAX, GLEANER_NOSCAN), EINVAL));
    CHECK(is(try((void *)(UINTPTR_MAX - 5), 7, GLEANER_NOSCAN), EINVAL));
    CHECK(is(try(p, 1, 0), EINVAL));
    CHECK(is(try(p, 1, GLEANER_SCAN | GLEANER_NOSCAN), EINVAL));
    CHECK(is(try(p, 1, GLEANER_SCAN | 64), EINVAL));
    CHECK(is(gleaner_adopt(p, 1, GLEANER_SCAN, 0, 0, 0), EINVAL));
    void *volatile block = malloc(100);
    CHECK(is(try(block, 100, GLEANER_NOSCAN), EINVAL));
    CHECK(is(try((char *)block - 1, 2, GLEANER_NOSCAN), EINVAL));
    free(block);
    return 0;
}
