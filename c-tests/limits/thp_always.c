// With `thp=always` a large heap has huge pages and a small one has none; free memory in the midst of them stays until it is asked for.
// native: no
// gleaner: thp=always
// stdout: small, huge, whole, trimmed
// timeout: 60
#include "smaps.h"
#include <malloc.h>
#include <time.h>

enum { SIZE = 100000, COUNT = 1200 };
static char *blocks[COUNT];

static void check(int ok, int line, void *p) {
    if (ok) return;
    struct smaps now = smaps_of(p);
    printf("line %d: %zu resident, %zu huge,%s\n", line, now.rss, now.huge, now.flags);
    exit(1);
}
#define CHECK(ok, p) check(ok, __LINE__, p)

int main(void) {
    int to_be_had = huge_pages_to_be_had();
    static char *small;
    small = malloc(100);
    *small = 1;
    CHECK(!has_flag(small, "hg") && smaps_of(small).rss < 1 << 20, small);

    char *huge = malloc(40 << 20);
    memset(huge, 1, 40 << 20);
    CHECK(has_flag(huge, "hg") && (!to_be_had || smaps_of(huge).huge >= 16 << 20), huge);
    huge = realloc(huge, 80 << 20);
    CHECK(has_flag(huge, "hg"), huge);
    free(huge);

    for (int i = 0; i < COUNT; i++) memset(blocks[i] = malloc(SIZE), 1, SIZE);
    char *last = blocks[COUNT - 1];
    struct smaps full = smaps_of(last);
    CHECK(has_flag(last, "hg") && has_flag(blocks[0], "hg") && (!to_be_had || full.huge >= 16 << 20), last);

    /* An eighth is free, all over the heap, and nobody wants it for two seconds. */
    for (int i = 0; i < COUNT; i += 8) free(blocks[i]);
    for (int i = 0; i < 220; i++) {
        char *p = malloc(2 << 20);
        p[0] = 1;
        free(p);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    struct smaps later = smaps_of(last);
    CHECK(later.rss + (4 << 20) >= full.rss && later.huge + (4 << 20) >= full.huge, last);

    malloc_trim(0);
    CHECK(smaps_of(last).rss + (8 << 20) <= full.rss, last);
    puts("small, huge, whole, trimmed");
    return 0;
}
