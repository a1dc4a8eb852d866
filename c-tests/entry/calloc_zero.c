// calloc's memory is zero, also where freed blocks full of other bytes are used again.
#include "check.h"

int main(void) {
    static const size_t sizes[] = {1, 8, 16, 24, 100, 512, 4096, 10000, 65536, 300000, 1 << 20, 5 << 20};
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int round = 0; round < 6; round++) {
            char *p[8];
            for (int i = 0; i < 8; i++) {
                CHECK((p[i] = calloc(i & 1 ? sizes[s] : 1, i & 1 ? 1 : sizes[s])) != NULL);
                for (size_t k = 0; k < sizes[s]; k++) CHECK(p[i][k] == 0);
                memset(p[i], 0xa5, sizes[s]);
            }
            for (int i = 0; i < 8; i++) free(p[i]);
        }
    void *zero = calloc(0, 8), *none = calloc(8, 0);
    CHECK(zero && none && zero != none);
    free(zero);
    free(none);
}
