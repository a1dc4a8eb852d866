// free(NULL) does nothing, and free never changes errno.
#include "check.h"

int main(void) {
    free(OPAQUE((void *)NULL));
    static const size_t sizes[] = {1, 100, 5000, 100000, 1 << 20, 64 << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = malloc(sizes[i]);
        CHECK(p != NULL);
        p[0] = p[sizes[i] - 1] = 1;
        errno = 4242;
        free(p);
        CHECK(errno == 4242);
    }
}
