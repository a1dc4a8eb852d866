// In a PID namespace whose /proc is still the outer one, thread numbers are not ours: collections are given up at once.
// gleaner[gc]: collect_every=256k
// stderr[leak]: ...
#include "sandbox.h"
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void) {
    if (unshare(CLONE_NEWPID) && unshare(CLONE_NEWUSER | CLONE_NEWPID)) return 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(getpid() == 1);
        double begun = now();
        work(40 << 20);
        CHECK(now() - begun < 4);
        exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}
