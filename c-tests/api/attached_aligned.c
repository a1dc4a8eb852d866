// Pins, handles and cleanups of aligned objects of all sizes: any byte names them, what is held stays, a cleanup is told the address and the usable size.
// native: no
#include "check.h"
#include <gleaner.h>
#include <malloc.h>

static int called;
static uintptr_t told_address;
static size_t told_size;

static void note(uintptr_t address, size_t size, uintptr_t argument) {
    told_address = address;
    told_size = size;
    called++;
}

static void one(size_t align, size_t size) {
    char *volatile p = memalign(align, size), *volatile stale = p;
    CHECK((uintptr_t)p % align == 0);
    size_t usable = malloc_usable_size(p);
    fill(p, size, align);
    uint64_t handle;
    CHECK(gleaner_pin(p) == 0 && gleaner_pin(p + usable - 1) == 0);
    CHECK(gleaner_weak_make(p + size - 1, &handle) == 0 && gleaner_weak_get(handle) == p + size - 1);
    CHECK(gleaner_add_cleanup(p + size / 2, note, 0, 0, NULL) == 0);
    free(p);
    CHECK(gleaner_weak_get(handle) == NULL && gleaner_weak_drop(handle) == 0);
    CHECK(gleaner_unpin(stale + usable / 2) == 0 && gleaner_run_cleanups() == 0);
    CHECK(intact(stale, size, align));
    called = 0;
    CHECK(gleaner_unpin(stale) == 0 && gleaner_run_cleanups() == 1 && called == 1);
    CHECK(told_address == (uintptr_t)stale && told_size == usable);
}

int main(void) {
    size_t sizes[] = {1, 100, 5000, 70000, 3 << 20};
    for (size_t align = 16; align <= 8 << 20; align *= 2) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) one(align, sizes[i]);
        one(align, align);
    }
    /* What was written while it was held is no dirt for whom it is given to next. */
    for (int i = 0; i < 500; i++) {
        size_t size = i % 50 ? 500 : 3 << 20;
        char *volatile p = malloc(size), *volatile stale = p;
        CHECK(gleaner_pin(p) == 0);
        free(p);
        memset(stale, 9, size);
        CHECK(gleaner_unpin(stale) == 0);
        unsigned char *volatile q = calloc(1, size);
        for (size_t at = 0; at < size; at++) CHECK(q[at] == 0);
        free(q);
    }
    return 0;
}
