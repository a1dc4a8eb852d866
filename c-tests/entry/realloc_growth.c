// A buffer that grows by one byte, by half, by doubling up to 64 MB keeps its bytes; so do many growing side by side.
#include "check.h"

static void grow(size_t limit, size_t (*next)(size_t)) {
    size_t size = 16;
    unsigned char *p = malloc(size);
    for (size_t i = 0; i < size; i++) p[i] = (unsigned char)(i * 7 + (i >> 8));
    while (size < limit) {
        size_t more = next(size);
        CHECK((p = realloc(p, more)) != NULL);
        CHECK(p[0] == 0 && p[size - 1] == (unsigned char)((size - 1) * 7 + ((size - 1) >> 8)));
        for (size_t i = size; i < more; i++) p[i] = (unsigned char)(i * 7 + (i >> 8));
        size = more;
    }
    for (size_t i = 0; i < size; i++) CHECK(p[i] == (unsigned char)(i * 7 + (i >> 8)));
    free(p);
}
static size_t by_one(size_t n) { return n + 1; }
static size_t by_half(size_t n) { return n + n / 2; }
static size_t doubled(size_t n) { return n * 2; }

int main(void) {
    grow(20000, by_one);
    grow(16 << 20, by_half);
    grow(64 << 20, doubled);
    enum { N = 20 };
    char *p[N] = {0};
    for (size_t size = 16; size < 2000000; size += size / 3)
        for (int i = 0; i < N; i++) {
            CHECK((p[i] = realloc(p[i], size + i)) != NULL);
            p[i][0] = (char)i;
            p[i][size + i - 1] = (char)i;
        }
    for (int i = 0; i < N; i++) {
        CHECK(p[i][0] == i);
        free(p[i]);
    }
}
