// A pinned range is every object that has a byte in it: all or none. Empty ones and those that wrap are errors.
// native: no
#include "check.h"
#include <gleaner.h>

enum { N = 100, SIZE = 48 };
static char *objects[N];

static int pinned(char *p) {
    if (gleaner_unpin(p) != 0) return 0;
    CHECK(gleaner_pin(p) == 0);
    return 1;
}

int main(void) {
    char *lo = (char *)-1, *hi = NULL;
    for (int i = 0; i < N; i++) {
        char *p = objects[i] = malloc(SIZE);
        if (p < lo) lo = p;
        if (p > hi) hi = p;
    }
    CHECK(gleaner_pin_range(lo, 0) == EINVAL);
    CHECK(gleaner_pin_range(lo, SIZE_MAX) == EINVAL);
    CHECK(gleaner_unpin_range(lo, 0) == EINVAL);
    static char global[100];
    CHECK(gleaner_pin_range(global, sizeof global) == GLEANER_NOT_OURS);
    CHECK(gleaner_unpin_range(global, sizeof global) == ENOENT);

    /* From the last byte of one to the first byte of another. */
    char *a = objects[N / 2];
    free(objects[3]);
    CHECK(gleaner_pin_range(lo + SIZE - 1, (size_t)(hi - lo) - SIZE + 2) == 0);
    int count = 0;
    for (int i = 0; i < N; i++)
        if (i != 3) count += pinned(objects[i]);
    CHECK(count == N - 1);
    free(a);
    CHECK(gleaner_pin(a) == EFAULT);
    CHECK(gleaner_unpin_range(lo, (size_t)(hi - lo) + 1) == 0);
    for (int i = 0; i < N; i++)
        if (i != 3 && objects[i] != a) CHECK(gleaner_unpin(objects[i]) == ENOENT);

    /* Of one large object, in the middle. */
    char *large = malloc(40 << 20);
    CHECK(gleaner_pin_range(large + (20 << 20), 1) == 0 && pinned(large));
    CHECK(gleaner_unpin(large + (40 << 20) - 1) == 0 && gleaner_unpin(large) == ENOENT);
    free(large);

    /* Of all the memory there is, and of where nothing is: as fast as another. */
    char *low = (char *)4096;
    size_t all = ((size_t)1 << 47) - 4096;
    CHECK(gleaner_pin_range(low, all) == 0 && pinned(objects[5]));
    CHECK(gleaner_unpin_range(low, all) == 0 && gleaner_unpin(objects[5]) == ENOENT);
    struct gleaner_scope scope;
    CHECK(gleaner_scope_open(&scope) == 0 && gleaner_scope_pin_range(&scope, low, SIZE_MAX - 4096) == 0);
    CHECK(gleaner_scope_close(&scope) == 0 && gleaner_unpin(objects[5]) == ENOENT);
    CHECK(gleaner_unpin_range((void *)((size_t)1 << 46), (size_t)1 << 63) == ENOENT);
    return 0;
}
