// mallopt accepts glibc's parameters (it returns 1) and the program goes on.
#include "check.h"
#include <malloc.h>

int main(void) {
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    CHECK(mallopt(M_TOP_PAD, 65536) == 1);
    CHECK(mallopt(M_ARENA_MAX, 2) == 1);
    CHECK(mallopt(M_PERTURB, 0) == 1);
    void *p = malloc(100);
    CHECK(p != NULL);
    free(p);
}
