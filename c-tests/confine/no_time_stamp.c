// A program that forbids itself to read the processor's time stamp can have large zeroed blocks, and be collected.
// stdout: done
#include "sandbox.h"
#ifndef PR_SET_TSC
#define PR_SET_TSC 26
#endif

int main(void) {
    CHECK(prctl(PR_SET_TSC, 2 /* PR_TSC_SIGSEGV */) == 0);
    work(20 << 20);
    for (int i = 0; i < 20; i++) {
        char *p = calloc(1, 1 << 20);
        for (int k = 0; k < 1 << 20; k += 999) CHECK(p[k] == 0);
        memset(p, 1, 1 << 20);
        free(p);
    }
    // Pages enough for the purge to look at the clock.
    static void *many[10000];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10000; i++) many[i] = malloc(3000);
        for (int i = 0; i < 10000; i++) free(many[i]);
    }
    puts("done");
}
