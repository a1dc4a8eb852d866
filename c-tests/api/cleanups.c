// Cleanups: called once each with what died, after a free as after a collection, in cycles too; never from malloc or free; cancel tells the truth.
// gleaner: min_growth=1g
#include "check.h"
#include <gleaner.h>

static int here, called[100];
static uintptr_t last_address;
static size_t last_size;

static void note(uintptr_t address, size_t size, uintptr_t argument) {
    called[argument]++;
    last_address = address;
    last_size = size;
}
static int collects(void) { return here && gleaner_collect() == 0 && !strcmp(getenv("MODE"), "gc"); }

static void explicit_free(size_t size) {
    memset(called, 0, sizeof called);
    char *p = malloc(size);
    uint64_t a, b;
    int status = gleaner_add_cleanup(p, note, 1, 0, &a);
    CHECK(status == (here ? 0 : GLEANER_ABSENT));
    gleaner_add_cleanup(p + size / 2, note, 2, 0, &b);
    gleaner_add_cleanup(p, note, 2, 0, NULL);
    CHECK(gleaner_cancel(a) == (here ? 0 : GLEANER_ABSENT));
    uintptr_t at = (uintptr_t)p;
    free(p);
    CHECK(called[2] == 0);
    if (here) {
        CHECK(gleaner_cancel(a) == GLEANER_DONE && gleaner_cancel(b) == GLEANER_QUEUED);
        CHECK(gleaner_run_cleanups() == 2 && called[1] == 0 && called[2] == 2);
        CHECK(last_address == at && last_size >= size);
        CHECK(gleaner_cancel(b) == GLEANER_DONE && gleaner_run_cleanups() == 0);
    }
}

static void moved(size_t size, size_t to) {
    memset(called, 0, sizeof called);
    char *p = malloc(size);
    gleaner_add_cleanup(p, note, 3, 0, NULL);
    p = realloc(p, to);
    gleaner_run_cleanups();
    CHECK(called[3] == 0);
    uintptr_t at = (uintptr_t)p;
    free(p);
    gleaner_run_cleanups();
    if (here) CHECK(called[3] == 1 && last_address == at && last_size >= to);
}

static void wrong(void) {
    if (!here) return;
    char *p = malloc(100), local;
    uint64_t h = 5;
    CHECK(gleaner_add_cleanup(&local, note, 0, 0, &h) == GLEANER_NOT_OURS && h == 0);
    CHECK(gleaner_add_cleanup(p, NULL, 0, 0, &h) == EINVAL);
    CHECK(gleaner_add_cleanup(p, note, (uintptr_t)p + 50, 0, &h) == EINVAL);
    CHECK(gleaner_add_cleanup(p, note, 0, 8, &h) == EINVAL);
    CHECK(gleaner_cancel(0) == GLEANER_DONE && gleaner_cancel(77) == GLEANER_DONE && gleaner_cancel(~0ull) == GLEANER_DONE);
    free(p);
    CHECK(gleaner_add_cleanup(p, note, 0, 0, &h) == EFAULT);
}

struct pair { struct pair *other; char rest[120]; };
static __attribute__((noinline)) void make_cycles(int n) {
    for (int i = 0; i < n; i++) {
        struct pair *a = malloc(sizeof *a), *b = malloc(sizeof *b);
        a->other = b;
        b->other = a;
        gleaner_add_cleanup(a, note, 4, 0, NULL);
        gleaner_add_cleanup(b, note, 5, 0, NULL);
    }
}
/* What the cleanup itself registers dies later. */
static void again(uintptr_t address, size_t size, uintptr_t argument) {
    char *p = malloc(1000);
    CHECK(gleaner_add_cleanup(p, note, 6, 0, NULL) == 0);
    free(p);
    called[7]++;
    CHECK(called[6] == 0);
}

int main(void) {
    here = gleaner_is_present();
    size_t sizes[] = {1, 100, 3000, 100000, 3 << 20, 80 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        explicit_free(sizes[i]);
        moved(sizes[i], sizes[i] * 5);
        moved(sizes[i], sizes[i] / 5 + 1);
    }
    wrong();
    memset(called, 0, sizeof called);
    char *p = malloc(10);
    gleaner_add_cleanup(p, again, 0, 0, NULL);
    free(p);
    CHECK(gleaner_run_cleanups() == (here ? 2 : 0) && called[6] == here);

    /* Registering and cancelling leaves nothing behind. */
    p = malloc(10);
    for (int i = 0; i < 100000; i++) {
        uint64_t h;
        gleaner_add_cleanup(p, note, 8, 0, &h);
        gleaner_cancel(h);
    }
    free(p);
    CHECK(gleaner_run_cleanups() == 0);

    if (collects()) {
        enum { N = 1000 };
        make_cycles(N);
        clear_stack();
        for (int i = 0; i < 4; i++) CHECK(gleaner_collect() == 0);
        CHECK(called[4] == 0);
        gleaner_run_cleanups();
        CHECK(called[4] > N - 20 && called[4] <= N && called[5] > N - 20 && called[5] <= N);
        struct gleaner_figures f;
        CHECK(gleaner_stats(&f, sizeof f) == 0 && f.cleanups_due == 0 && f.resurrected == 0);
    }
    return 0;
}
