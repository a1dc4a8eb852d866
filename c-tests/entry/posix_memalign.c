// posix_memalign: every power of two that is a multiple of 8; EINVAL otherwise, with *p and errno untouched.
#include "check.h"

int main(void) {
    void *const marker = (void *)0x1234;
    static const size_t bad[] = {0, 1, 2, 3, 4, 7, 9, 12, 24, 48, 100, 4095, SIZE_MAX};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *p = marker;
        errno = 77;
        CHECK(posix_memalign(&p, bad[i], 64) == EINVAL);
        CHECK(p == marker);
        CHECK(errno == 77);
    }
    for (size_t align = 8; align <= (4 << 20); align *= 2)
        for (size_t size = 1; size < 300000; size = size * 3 + 1) {
            void *p[3];
            for (int i = 0; i < 3; i++) {
                CHECK(posix_memalign(&p[i], align, size) == 0);
                CHECK(ALIGNED(p[i], align) && ALIGNED(p[i], 8));
                fill(p[i], size, align + i);
            }
            for (int i = 0; i < 3; i++) CHECK(intact(p[i], size, align + i));
            for (int i = 0; i < 3; i++) free(p[i]);
        }
    void *zero = NULL;
    CHECK(posix_memalign(&zero, 64, 0) == 0 && zero != NULL);
    free(zero);
}
