// A daemon that drops its privileges itself, under its service manager's filter: /proc no longer shows its pages, and mincore kills.
// gleaner[gc]: collect_every=1m:checkmark=yes
// flags: -pthread
#include "sandbox.h"

int main(int argc, char **argv) {
    static const int killed[] = {SYS_mincore};
    static struct sandbox s;
    if (argc == 1) {
        sandbox(&s, killed, 1, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s.program) == 0);
        execl(argv[0], argv[0], "again", NULL);
        CHECK(0);
    }
    if (getuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
    work(20 << 20);
}
