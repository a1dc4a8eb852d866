// __libc_malloc and its family work, and their blocks may be given to free and realloc, as under glibc.
#include "check.h"

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_valloc(size_t), *__libc_pvalloc(size_t);
extern void __libc_free(void *);

int main(void) {
    for (size_t size = 1; size < 3000000; size = size * 3 + 5) {
        char *a = __libc_malloc(size), *b = __libc_calloc(2, size), *c = __libc_memalign(256, size);
        char *d = __libc_realloc(NULL, size);
        CHECK(a && b && c && d && ALIGNED(c, 256));
        fill(a, size, 1);
        fill(c, size, 2);
        for (size_t i = 0; i < 2 * size; i++) CHECK(b[i] == 0);
        CHECK((a = realloc(a, size + 100)) != NULL);
        CHECK(intact(a, size, 1));
        free(a);
        free(b);
        CHECK(intact(c, size, 2));
        free(c);
        CHECK((d = __libc_realloc(d, 2 * size)) != NULL);
        __libc_free(d);
    }
    void *v = __libc_valloc(10), *pv = __libc_pvalloc(10);
    CHECK(ALIGNED(v, 4096) && ALIGNED(pv, 4096));
    free(v);
    free(pv);
    void *ours = malloc(50);
    __libc_free(ours);
}
