// aligned_alloc, memalign, valloc and pvalloc align as asked; their blocks go through realloc and free.
#include "check.h"
#include <malloc.h>

int main(void) {
    for (size_t align = 16; align <= 65536; align *= 2)
        for (size_t size = 1; size < 200000; size = size * 5 + 3) {
            char *a = aligned_alloc(align, size), *b = memalign(align, size);
            CHECK(a && b && ALIGNED(a, align) && ALIGNED(b, align));
            fill(a, size, 1);
            fill(b, size, 2);
            CHECK(malloc_usable_size(a) >= size);
            CHECK((a = realloc(a, size * 2)) != NULL);
            CHECK(intact(a, size, 1) && intact(b, size, 2));
            free(a);
            free(b);
        }
    char *odd = memalign(48, 100);
    CHECK(odd && ALIGNED(odd, 64));
    char *v = valloc(100), *pv = pvalloc(100), *pv0 = pvalloc(5000);
    CHECK(ALIGNED(v, 4096) && ALIGNED(pv, 4096) && ALIGNED(pv0, 4096));
    CHECK(malloc_usable_size(pv) >= 4096 && malloc_usable_size(pv0) >= 8192);
    memset(pv, 1, 4096);
    memset(pv0, 1, 8192);
    free(odd);
    free(v);
    free(pv);
    free(pv0);
}
