// Forked children tell of their own uses only; what the parent noted before is the parent's.
// modes: audit
// native: no
// gleaner: collect_every=100k:exitcode=9:symbolizer=none
// stdout: child 9
// stderr: ...
// stderr: SUMMARY: gleaner: 200 byte(s) in 2 object(s) were used by hidden pointers.
// stderr: ...
// stderr: SUMMARY: gleaner: 100 byte(s) in 1 object(s) were used by hidden pointers.
// status: 9
#include "check.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static uintptr_t hidden[3];
static void __attribute__((noinline)) hide(void) {
    for (int i = 0; i < 3; i++)
        hidden[i] = ~(uintptr_t)malloc(100);
}
static void __attribute__((noinline)) churn(void) {
    char room[4096];
    for (unsigned i = 0; i < sizeof room; i++)
        ((volatile char *)room)[i] = 0;
    for (int i = 0; i < 20; i++)
        free(malloc(200000));
}
int main(void) {
    hide();
    churn();
    free((void *)~hidden[0]);
    pid_t child = fork();
    CHECK(child >= 0);
    int status = 0;
    if (child == 0) {
        free((void *)~hidden[1]);
        free((void *)~hidden[2]);
        return 0;
    }
    CHECK(waitpid(child, &status, 0) == child);
    printf("child %d\n", WEXITSTATUS(status));
}
