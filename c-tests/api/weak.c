// Weak handles: one for the same byte of an object, gone with it, moved by realloc; cleared before cleanups run; a get keeps the object.
// gleaner: min_growth=1g
#include "check.h"
#include <gleaner.h>

static int here;
static uint64_t handles[1000];
static int called;

static void look(uintptr_t address, size_t size, uintptr_t argument) {
    CHECK(gleaner_weak_get(handles[argument]) == NULL);
    called++;
}
static __attribute__((noinline)) void make(int n) {
    for (int i = 0; i < n; i++) {
        char *p = malloc(200);
        fill(p, 200, i);
        CHECK(gleaner_weak_make(p + 8, &handles[i]) == 0);
        CHECK(gleaner_add_cleanup(p, look, i, 0, NULL) == 0);
    }
}
static __attribute__((noinline)) int alive(int n) {
    int count = 0;
    for (int i = 0; i < n; i++) count += gleaner_weak_get(handles[i]) != NULL;
    return count;
}
static void simple(size_t size) {
    char *p = malloc(size);
    uint64_t a, b, c;
    CHECK(gleaner_weak_make(p, &a) == (here ? 0 : GLEANER_ABSENT));
    gleaner_weak_make(p, &b);
    gleaner_weak_make(p + 1, &c);
    CHECK(a == b && (!here || a != c));
    CHECK(gleaner_weak_get(a) == (here ? p : NULL) && gleaner_weak_get(c) == (here ? p + 1 : NULL));
    CHECK(gleaner_weak_drop(b) == (here ? 0 : GLEANER_ABSENT));
    CHECK(gleaner_weak_get(a) == (here ? p : NULL));
    char *q = realloc(p, size * 3);
    CHECK(gleaner_weak_get(a) == (here ? q : NULL));
    free(q);
    CHECK(gleaner_weak_get(a) == NULL && gleaner_weak_get(c) == NULL);
    char *other = malloc(size * 3);
    CHECK(gleaner_weak_get(a) == NULL);
    CHECK(gleaner_weak_make(other, &b) == (here ? 0 : GLEANER_ABSENT) && (!here || a != b));
    gleaner_weak_drop(a);
    gleaner_weak_drop(c);
    gleaner_weak_drop(b);
    if (here) CHECK(gleaner_weak_drop(a) == GLEANER_DONE && gleaner_weak_get(a) == NULL);
    free(other);
}
static void held(void) {
    if (!here) return;
    char *p = malloc(100);
    uint64_t a, b;
    CHECK(gleaner_weak_make(p, &a) == 0 && gleaner_pin(p) == 0);
    free(p);
    CHECK(gleaner_weak_get(a) == NULL && gleaner_weak_make(p, &b) == EFAULT && b == 0);
    CHECK(gleaner_unpin(p) == 0);
    /* realloc of a pinned object: the handle follows the new one. */
    p = malloc(100);
    CHECK(gleaner_weak_make(p, &a) == 0 && gleaner_pin(p) == 0);
    char *q = realloc(p, 5000);
    CHECK(gleaner_weak_get(a) == q && gleaner_unpin(p) == 0 && gleaner_weak_get(a) == q);
    char *r = realloc(q, 10);
    CHECK(gleaner_weak_get(a) == r);
    free(r);
    uint64_t end;
    p = malloc(5000);
    CHECK(gleaner_weak_make(p + 4000, &end) == 0);
    p = realloc(p, 10);
    CHECK(gleaner_weak_get(end) == NULL);
    free(p);
}
int main(void) {
    here = gleaner_is_present();
    size_t sizes[] = {1, 100, 3000, 100000, 3 << 20, 80 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) simple(sizes[i]);
    held();
    CHECK(gleaner_weak_get(0) == NULL && gleaner_weak_get(12345) == NULL && gleaner_weak_get(~0ull) == NULL);
    /* What is told of limbo below holds where nobody else collects. */
    if (here && !strcmp(getenv("MODE"), "gc") && !strstr(getenv("GLEANER"), "collect_every")) {
        enum { N = 1000 };
        make(N);
        clear_stack();
        CHECK(gleaner_collect() == 0);
        /* In limbo now; got back by the handle, which hides nothing. */
        char *volatile kept = gleaner_weak_get(handles[500]);
        CHECK(kept && alive(N) == N);
        free((char *)gleaner_weak_get(handles[1]) - 8);
        CHECK(alive(N) == N - 1);
        clear_stack();
        for (int i = 0; i < 4; i++) CHECK(gleaner_collect() == 0);
        CHECK(intact(kept - 8, 200, 500) && gleaner_weak_get(handles[500]) == kept);
        int left = alive(N);
        CHECK(left >= 1 && left < 20);
        gleaner_run_cleanups();
        CHECK(called == N - left);
        free(kept - 8);
        struct gleaner_figures f;
        CHECK(gleaner_stats(&f, sizeof f) == 0 && f.resurrected == 0);
        CHECK(gleaner_run_cleanups() == 1);
    }
    return 0;
}
