// calloc of a large block that was used before is zero, whatever was touched in it the times before.
#include "check.h"

static int is_zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return 0;
    return 1;
}
int main(void) {
    size_t sizes[] = {70000, 300001, 1 << 20, 5000000, 40u << 20};
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        for (int round = 0; round < (n > 10000000 ? 12 : 100); round++) {
            /* Untouched for a while, all of it for a while, then now and then; some of it always in the last. */
            size_t touched = round < 10 ? 0 : round < 40 ? n : round % 3 ? 0 : n;
            if (round > 80) touched = n / 50;
            char *p = OPAQUE(round % 7 == 6 ? malloc(n) : calloc(1, n));
            CHECK(p != NULL);
            if (round % 7 != 6) CHECK(is_zero(p, round % 4 ? 5000 : n) && is_zero(p + n - 5000, 5000));
            memset(p, 0xaa, touched);
            p[n - 1] = 1;
            free(p);
        }
    }
}
