// A successful allocation leaves errno as it was.
#include "check.h"
#include <malloc.h>

int main(void) {
    for (size_t size = 1; size < (8 << 20); size *= 2) {
        errno = 4242;
        char *p = malloc(size), *q = calloc(1, size);
        p = realloc(p, size + 1000);
        void *r = memalign(64, size);
        (void)malloc_usable_size(q);
        CHECK(p && q && r);
        CHECK(errno == 4242);
        free(p);
        free(q);
        free(r);
    }
}
