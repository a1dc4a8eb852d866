// A range that ends where something begins that the program's mmap did not map (as ld.so's memory, or a stack of libc's): a
// word that is this address keeps that, not the range.
#include "foreign.h"
#include <sys/syscall.h>

static char *volatile upper;

static __attribute__((noinline)) uintptr_t prepare(void) {
    int rw = PROT_READ | PROT_WRITE, how = MAP_PRIVATE | MAP_ANONYMOUS;
    char *p = (char *)syscall(SYS_mmap, NULL, 4 * PAGE, rw, how, -1, 0L);
    CHECK((long)p > 0);
    upper = p + 2 * PAGE;
    upper[0] = 1;
    CHECK(mmap(p, 2 * PAGE, rw, how | MAP_FIXED, -1, 0) == p);
    adopt_note(p, 2 * PAGE, GLEANER_NOSCAN, 7);
    return HIDE(p);
}

int main(void) {
    uintptr_t range = prepare();
    collect(), collect();
    CHECK(was_called(range) == collects() && called == collects());
    CHECK(upper[0] == 1);
    return 0;
}
