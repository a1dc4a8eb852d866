// reallocarray multiplies; on overflow it returns NULL with ENOMEM and leaves the old block alone.
#include "check.h"

int main(void) {
    char *p = reallocarray(NULL, 10, 10);
    CHECK(p != NULL);
    fill(p, 100, 9);
    CHECK((p = reallocarray(p, 1000, 16)) != NULL);
    CHECK(intact(p, 100, 9));
    errno = 0;
    CHECK(reallocarray(p, OPAQUE(SIZE_MAX / 4), 8) == NULL);
    CHECK(errno == ENOMEM);
    CHECK(intact(p, 100, 9));
    free(p);
}
