// With RLIMIT_AS lowered while the program runs, every entry point fails with ENOMEM, the heap stays intact, and raising it helps.
// flags: -pthread
#include "check.h"
#include <malloc.h>
#include <sys/resource.h>

int main(void) {
    char *keep = malloc(100000);
    fill(keep, 100000, 1);
    struct rlimit old, low;
    getrlimit(RLIMIT_AS, &old);
    low = old;
    low.rlim_cur = (rlim_t)status_kib("VmSize") * 1024 + (4 << 20);
    CHECK(setrlimit(RLIMIT_AS, &low) == 0);
    size_t n = OPAQUE((size_t)64 << 20);
    void *p = NULL;
    for (int i = 0; i < 100; i++) {
        errno = 0;
        CHECK(malloc(n) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(calloc(n, 2) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(realloc(keep, n) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(memalign(4096, n) == NULL && errno == ENOMEM);
        CHECK(posix_memalign(&p, 64, n) == ENOMEM && p == NULL);
    }
    CHECK(intact(keep, 100000, 1));
    static void *small[1000000];
    int k = 0;
    while (k < 1000000 && (small[k] = malloc(96))) k++;
    CHECK(k < 1000000 && errno == ENOMEM);
    for (int i = 0; i < k; i++) free(small[i]);
    CHECK(setrlimit(RLIMIT_AS, &old) == 0);
    CHECK((p = malloc(n)) != NULL);
    free(p);
    free(keep);
}
