// C23's free_sized and free_aligned_sized free (this glibc has neither yet, so a native run cannot pass).
// native: no
// flags: -ldl
#include "check.h"
#include <dlfcn.h>

int main(void) {
    void (*sized)(void *, size_t) = dlsym(RTLD_DEFAULT, "free_sized");
    void (*aligned)(void *, size_t, size_t) = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    CHECK(sized && aligned);
    sized(NULL, 0);
    aligned(NULL, 64, 0);
    for (size_t size = 1; size < 1000000; size *= 2) {
        errno = 99;
        sized(malloc(size), size);
        aligned(aligned_alloc(64, size), 64, size);
        CHECK(errno == 99);
    }
}
