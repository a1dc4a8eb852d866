// MAP_FIXED_NOREPLACE maps strewn close to the heap do not stop it from growing, and the heap never lies over them.
#include "check.h"
#include <sys/mman.h>

int main(void) {
    enum { N = 3000 };
    static char *p[N], *m[N];
    uint64_t r = 88172645463325252u;
    for (int i = 0; i < N; i++) {
        CHECK((p[i] = malloc(20000 + next_random(&r) % 100000)) != NULL);
        fill(p[i], 20000, i);
        uintptr_t near = ((uintptr_t)p[i] + (next_random(&r) % 4096) * 4096) & ~(uintptr_t)4095;
        m[i] = mmap((void *)near, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (m[i] != MAP_FAILED) memset(m[i], 0x77, 4096);
    }
    for (int i = 0; i < N; i++) {
        CHECK(intact(p[i], 20000, i));
        for (int k = 0; m[i] != MAP_FAILED && k < 4096; k++) CHECK(m[i][k] == 0x77);
        free(p[i]);
        if (m[i] != MAP_FAILED) munmap(m[i], 4096);
    }
}
