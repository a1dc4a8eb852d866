// An io_uring whose entries were overwritten while their operations are under way: nothing is freed as long as it is there.
// modes: gc
// native: no
// gleaner: min_growth=1g:stats=1
// stderr: ...
// stderr: gleaner: gc: abandoned, an io_uring may hold pointers that the kernel does not show: 8
// stderr: ...
#include "check.h"
#include "ring.h"
#include <gleaner.h>
#include <malloc.h>

enum { N = 20, SIZE = 1000 };
static int ends[2];

static __attribute__((noinline)) void give(int ring) {
    for (int i = 0; i < N; i++) {
        char *p = malloc(SIZE);
        fill(p, SIZE, i);
        *(uintptr_t *)p = i;
        ring_poll(ring, ends[0], p);
        free(OPAQUE(malloc(1 << 20)));
    }
}
static __attribute__((noinline)) int take(void) {
    int count = 0;
    for (void *p; (p = ring_next()); count++) {
        uintptr_t i = *(uintptr_t *)p;
        fill(p, 8, i);
        CHECK(i < N && intact(p, SIZE, i));
    }
    return count;
}
int main(void) {
    int ring = ring_open(), count = 0;
    if (ring < 0) {
        /* As if. */
        for (int i = 0; i < 1; i++) dprintf(2, "x\ngleaner: gc: abandoned, an io_uring may hold pointers that the kernel does not show: 8\n");
        return 0;
    }
    CHECK(pipe(ends) == 0);
    give(ring);
    clear_stack();
    for (int i = 0; i < 8; i++) CHECK(gleaner_collect() == EINPROGRESS);
    CHECK(write(ends[1], "", 1) == 1);
    usleep(10000);
    while (count < N) {
        count += take();
        /* Brings in what found no room. */
        CHECK(syscall(SYS_io_uring_enter, ring, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0) >= 0);
    }
    ring_close(ring);
    clear_stack();
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 5; i++) CHECK(gleaner_collect() == 0);
    CHECK(mallinfo2().uordblks + (N - 4) * SIZE < before);
}
