// Pins: counted, any byte of the object names it; what is freed or reallocated while pinned is held, intact and not reused.
#include "check.h"
#include <gleaner.h>

static char global[64];
static int here;

/* The answer with the library, and without. */
#define ANSWERS(answer, call) CHECK((call) == (here ? (answer) : GLEANER_ABSENT))

static void counts(size_t size) {
    char *p = malloc(size);
    for (int i = 0; i < 3; i++) ANSWERS(0, gleaner_pin(p + (size - 1) * i / 2));
    for (int i = 0; i < 3; i++) ANSWERS(0, gleaner_unpin(p));
    ANSWERS(ENOENT, gleaner_unpin(p));
    free(p);
}

static void not_ours(void) {
    int local;
    ANSWERS(GLEANER_NOT_OURS, gleaner_pin(NULL));
    ANSWERS(GLEANER_NOT_OURS, gleaner_pin(&local));
    ANSWERS(GLEANER_NOT_OURS, gleaner_pin(global));
    ANSWERS(GLEANER_NOT_OURS, gleaner_pin((void *)-1));
    ANSWERS(GLEANER_NOT_OURS, gleaner_unpin(global));
}

static void dead(size_t size) {
    char *volatile p = malloc(size);
    free(p);
    int told = gleaner_pin(p);
    if (here) CHECK(told == EFAULT || (size > 65536 && told == GLEANER_NOT_OURS));
    char *q = malloc(size);
    size_t usable = here ? gleaner_pin(q) == 0 ? size : 0 : size;
    CHECK(usable == size);
    gleaner_unpin(q);
    free(q);
}

/* Allocates and frees much: would it ever be given `at`? */
static int is_reused(const char *at, size_t size) {
    int reused = 0;
    void *all[200];
    /* Where each allocation collects, each reads what is held. */
    int count = size > 1 << 20 ? 10 : 200;
    for (int i = 0; i < count; i++) reused |= (all[i] = malloc(size)) == at;
    for (int i = 0; i < count; i++) free(all[i]);
    return reused;
}

static void held(size_t size) {
    char *volatile p = malloc(size), *volatile stale = p;
    fill(p, size, size);
    gleaner_pin(p);
    gleaner_pin(p + 1);
    free(p);
    if (here) {
        CHECK(gleaner_pin(stale) == EFAULT);
        CHECK(!is_reused(stale, size));
        CHECK(gleaner_unpin(stale) == 0);
        gleaner_collect();
        CHECK(!is_reused(stale, size) && intact(stale, size, size));
        CHECK(gleaner_unpin(stale + size - 1) == 0);
        int told = gleaner_unpin(stale);
        CHECK(told != 0);
        if (size < 4096) CHECK(is_reused(stale, size));
    }
}

static void resized(size_t size, size_t to) {
    char *volatile p = malloc(size), *volatile stale = p;
    fill(p, size, 5);
    gleaner_pin(p);
    char *volatile q = realloc(p, to);
    CHECK(intact(q, size < to ? size : to, 5));
    if (here && q != stale) {
        memset(q, 0, to);
        CHECK(intact(stale, size, 5) && !is_reused(stale, size));
        CHECK(gleaner_unpin(q) == ENOENT);
    }
    ANSWERS(0, gleaner_unpin(stale));
    free(q);
}

static void allocated(size_t size) {
    char *volatile p = gleaner_alloc_pinned(size);
    CHECK(p);
    fill(p, size, 9);
    for (int i = 0; i < 3; i++) gleaner_collect();
    CHECK(intact(p, size, 9));
    free(p);
    p = gleaner_alloc_pinned(size);
    fill(p, size, 9);
    char *volatile stale = p;
    gleaner_pin(p);
    free(p);
    if (here) CHECK(intact(stale, size, 9) && gleaner_unpin(stale) == 0);
}

int main(void) {
    here = gleaner_is_present();
    size_t sizes[] = {1, 24, 100, 1000, 5000, 60000, 100000, 3 << 20, 80 << 20};
    not_ours();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        counts(sizes[i]);
        dead(sizes[i]);
        if (sizes[i] >= 24) held(sizes[i]);
        resized(sizes[i], sizes[i] * 3);
        resized(sizes[i], sizes[i] / 3 + 1);
        allocated(sizes[i]);
    }
    errno = 77;
    gleaner_pin(global);
    gleaner_unpin(global);
    CHECK(errno == 77);
    return 0;
}
