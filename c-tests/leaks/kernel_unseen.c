// Where the kernel may hold pointers that it does not show, the report says so.
// leak: lose @here 101 1 direct
// told[leak]: *gleaner: an io_uring may hold pointers that the kernel does not show*
#include "plant.h"
#include "ring.h"

static NOINLINE void lose(void) {
    char *p = malloc(101); /* @here */
    memset(p, 1, 101);
    NOTAIL;
}
int main(void) {
    int ring = ring_open(), ends[2];
    if (ring < 0) dprintf(2, "gleaner: an io_uring may hold pointers that the kernel does not show\n");
    CHECK(pipe(ends) == 0);
    for (int i = 0; ring >= 0 && i < 5; i++) ring_poll(ring, ends[0], NULL);
    lose();
    scrub();
}
