// A process with one thread has one, after collections too, and may do what only such a process may: enter a user namespace.
// flags: -D_GNU_SOURCE
// gleaner: collect_every=64k:limbo=1
#include "check.h"
#include <sched.h>
#include <sys/wait.h>

int main(void) {
    for (int i = 0; i < 2000; i++) free(malloc(1000 + i * 10));
    CHECK(status_kib("Threads") == 1);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 500; i++) free(malloc(1000 + i * 10));
        // EPERM where it is forbidden to all; EINVAL where there is a second thread.
        CHECK(unshare(CLONE_NEWUSER) == 0 || errno != EINVAL);
        for (int i = 0; i < 500; i++) free(malloc(1000 + i * 10));
        // A daemon's jail, in which there is no /proc.
        if (chroot("/tmp") == 0 && chdir("/") == 0) {
            char *kept = malloc(5000);
            fill(kept, 5000, 7);
            for (int i = 0; i < 500; i++) free(malloc(1000 + i * 10));
            CHECK(intact(kept, 5000, 7));
            free(kept);
        }
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(status_kib("Threads") == 1);
}
