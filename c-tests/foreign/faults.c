// A range that cannot be read is no fault: a truncated file, no permission, guard pages, unmapped parts, shared memory.
#include "foreign.h"
#include <fcntl.h>

static void *volatile keep[8];
static uintptr_t target, hidden;

static __attribute__((noinline)) char *file(size_t size, int shared, int *fd) {
    *fd = memfd_create("faults", 0);
    CHECK(*fd >= 0 && ftruncate(*fd, size) == 0);
    char *p = mmap(0, size, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, *fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
static __attribute__((noinline)) void prepare(void) {
    int fd, other;
    hidden = adopt_new(PAGE, GLEANER_NOSCAN, 7, 0);
    char *p = file(4 * PAGE, 1, &fd);
    /* The only pointer to the target stands in the shared file, at no page's start. */
    target = adopt_new(PAGE, GLEANER_NOSCAN, 5, 0);
    *(void **)(p + 128) = SHOW(target);
    memset(p + 2 * PAGE, 1, 2 * PAGE);
    adopt_note(p + 60, 4 * PAGE - 60, GLEANER_SCAN, 0);
    CHECK(ftruncate(fd, PAGE) == 0);
    keep[0] = p + 3 * PAGE;

    p = file(2 * PAGE, 0, &other);
    memset(p, 1, 2 * PAGE);
    CHECK(ftruncate(other, 0) == 0);
    adopt_note(p, 2 * PAGE, GLEANER_SCAN, 1);
    keep[1] = p;

    /* Never readable, and with a hole where nothing is mapped. */
    p = mmap(0, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    adopt_note(p, 8 * PAGE, GLEANER_SCAN, 2);
    keep[2] = p;
    p = map(8 * PAGE);
    memset(p, 0, 8 * PAGE);
    CHECK(munmap(p + 2 * PAGE, PAGE) == 0);
    adopt_note(p, 8 * PAGE, GLEANER_SCAN, 3);
    keep[3] = p;
    /* MADV_GUARD_INSTALL, where there is such a thing. */
    p = map(4 * PAGE);
    memset(p, 0, 4 * PAGE);
    (void)madvise(p + PAGE, PAGE, 102);
    adopt_note(p, 4 * PAGE, GLEANER_SCAN, 4);
    keep[4] = p;
    /* A part of the program's own data. */
    static char data[256];
    adopt_note(data + 1, 250, GLEANER_SCAN, 6);
    keep[5] = data + 100;
    *(void **)(((uintptr_t)data + 16) & ~7ul) = SHOW(hidden);
}

int main(void) {
    prepare();
    collect();
    CHECK(called == 0);
    for (int i = 0; i < 8; i++) keep[i] = 0;
    collect(), collect();
    CHECK(called == 8 * collects() && was_called(target) == collects() && was_called(hidden) == collects());
    return 0;
}
