// From level 1 on malloc_usable_size is the size that was asked for, and realloc keeps contents as ever.
// native: no
// gleaner: secure=3
#include "check.h"
#include <malloc.h>

int main(void) {
    char *p[600];
    for (int i = 0; i < 600; i++) {
        p[i] = malloc(i * 37);
        CHECK(malloc_usable_size(p[i]) == (size_t)i * 37);
        memset(p[i], i, i * 37);
    }
    for (int i = 1; i < 600; i++) {
        size_t n = (size_t)i * 37 * (i % 5 + 1) / 2;
        p[i] = realloc(p[i], n);
        CHECK(malloc_usable_size(p[i]) == n);
        for (size_t k = 0; k < n && k < (size_t)i * 37; k++) CHECK(p[i][k] == (char)i);
    }
    for (int i = 0; i < 600; i++) free(p[i]);
}
