// Every block of every size is aligned to 16 bytes, may be written to its last byte, and overlaps no other.
#include "check.h"
#include <malloc.h>

int main(void) {
    enum { N = 3000 };
    static char *p[N];
    static size_t size[N];
    for (int i = 0; i < N; i++) {
        size[i] = i < 2100 ? (size_t)i : (size_t)(i - 2100) * 211;
        CHECK((p[i] = malloc(size[i])) != NULL);
        CHECK(ALIGNED(p[i], 16));
        fill(p[i], size[i], i);
    }
    for (int i = 0; i < N; i++) CHECK(intact(p[i], size[i], i));
    for (int i = 0; i < N; i += 2) free(p[i]);
    for (int i = 0; i < N; i += 2) {
        CHECK((p[i] = calloc(1, size[i])) != NULL);
        CHECK(ALIGNED(p[i], 16));
        for (size_t k = 0; k < size[i]; k++) CHECK(p[i][k] == 0);
    }
    for (int i = 1; i < N; i += 2) CHECK(intact(p[i], size[i], i));
    for (int i = 0; i < N; i++) free(p[i]);
}
