// calloc whose product overflows returns NULL with errno = ENOMEM.
#include "check.h"

int main(void) {
    errno = 0;
    CHECK(calloc(OPAQUE(SIZE_MAX), 2) == NULL);
    CHECK(errno == ENOMEM);
    errno = 0;
    CHECK(calloc(OPAQUE(SIZE_MAX / 2 + 1), 2) == NULL);
    CHECK(errno == ENOMEM);
    errno = 0;
    CHECK(calloc(OPAQUE((size_t)1 << 33), (size_t)1 << 33) == NULL);
    CHECK(errno == ENOMEM);
}
