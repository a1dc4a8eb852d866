// A program that makes pages of its own malloc'ed memory read-only, or PROT_NONE for a while, as JITs and garbage collectors do.
// gleaner: collect_every=256k
#include "check.h"
#include <sys/mman.h>

int main(void) {
    enum { PAGE = 4096, N = 20 };
    char *p[N];
    for (int i = 0; i < N; i++) {
        CHECK((p[i] = aligned_alloc(PAGE, 8 * PAGE)) != NULL);
        fill(p[i], 8 * PAGE, i);
        CHECK(mprotect(p[i] + PAGE, 4 * PAGE, i & 1 ? PROT_NONE : PROT_READ) == 0);
    }
    for (int i = 0; i < 50000; i++) free(malloc(500));
    for (int i = 0; i < N; i++) {
        CHECK(mprotect(p[i] + PAGE, 4 * PAGE, PROT_READ | PROT_WRITE) == 0);
        CHECK(intact(p[i], 8 * PAGE, i));
        free(p[i]);
    }
}
