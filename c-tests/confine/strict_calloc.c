// In the strict mode of seccomp a large block comes back from calloc as zeroes, without a call that ends the process (glibc maps
// memory for it) and without the time stamp of the processor, which that mode forbids to read.
// native: no
// stdout: done
#include "sandbox.h"

static char *large(void) { return calloc(1, 1 << 20); }

static void *many[2000];
int main(void) {
    for (int i = 0; i < 2000; i++) many[i] = malloc(3000);
    for (int i = 0; i < 3; i++) {
        char *p = large();
        memset(p, 1, 1 << 20);
        free(p);
    }
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    for (int i = 0; i < 20; i++) {
        char *p = large();
        for (int k = 0; k < 1 << 20; k += 999)
            if (p[k]) syscall(SYS_exit, 1);
        memset(p, 1, 1 << 20);
        free(p);
    }
    // What is not there is refused.
    if (malloc(64 << 20)) syscall(SYS_exit, 2);
    // Pages enough for the purge to look at the clock.
    for (int i = 0; i < 2000; i++) free(many[i]);
    write(1, "done\n", 5);
    syscall(SYS_exit, 0);
}
