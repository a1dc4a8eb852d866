// In seccomp's strict mode only read, write and exit are left: what is free can be allocated, and freed.
// gleaner[gc]: collect_every=1m
// stdout: done
#include "sandbox.h"

int main(void) {
    static void *p[1000];
    work(4 << 20);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 1000; i++) fill(p[i] = malloc(20 + i % 100), 20, i);
        for (int i = 0; i < 1000; i++) {
            if (!intact(p[i], 20, i)) syscall(SYS_exit, 1);
            free(p[i]);
        }
    }
    write(1, "done\n", 5);
    syscall(SYS_exit, 0);
}
