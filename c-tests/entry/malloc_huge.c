// More than PTRDIFF_MAX, or more than the address space has: NULL and ENOMEM, from every entry point.
#include "check.h"
#include <malloc.h>

#define FAILS(call)                \
    do {                           \
        errno = 0;                 \
        CHECK((call) == NULL);     \
        CHECK(errno == ENOMEM);    \
    } while (0)

int main(void) {
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX / 2, (size_t)PTRDIFF_MAX + 1, (size_t)1 << 50};
    char *keep = malloc(100);
    fill(keep, 100, 1);
    for (unsigned i = 0; i < sizeof huge / sizeof *huge; i++) {
        size_t n = OPAQUE(huge[i]);
        FAILS(malloc(n));
        FAILS(calloc(1, n));
        FAILS(realloc(NULL, n));
        FAILS(realloc(keep, n));
        FAILS(reallocarray(keep, n, 1));
        FAILS(memalign(64, n));
        FAILS(aligned_alloc(64, n));
        FAILS(valloc(n));
        FAILS(pvalloc(n));
        void *p = keep;
        CHECK(posix_memalign(&p, 64, n) == ENOMEM);
        CHECK(p == keep);
        CHECK(intact(keep, 100, 1));
    }
    free(keep);
}
