// cfree, which glibc keeps for old binaries only, frees.
// flags: -ldl
#include "check.h"
#include <dlfcn.h>

int main(void) {
    void (*cfree_)(void *) = dlsym(RTLD_DEFAULT, "cfree");
    if (!cfree_) cfree_ = dlvsym(RTLD_DEFAULT, "cfree", "GLIBC_2.2.5");
    CHECK(cfree_ != NULL);
    for (int i = 0; i < 1000; i++) {
        void *p = malloc(i);
        CHECK(p != NULL);
        cfree_(p);
    }
    cfree_(NULL);
}
