// Where the kernel makes no copy (limits on processes or memory) the program is stopped while it is marked, and the report says so.
// modes: leak
// native: no
// gleaner: marking=snapshot
// timeout: 60
#include "served.h"
#include "sandbox.h"

static void begin(void) {
    static struct sandbox s;
    const int calls[] = {SYS_clone};
    lose();
    scrub();
    sandbox(&s, calls, 1, SECCOMP_RET_ERRNO | EAGAIN, SECCOMP_RET_ALLOW);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s.program) == 0);
}
static void serve(void) {
    usleep(1000);
}

int main(void) {
    pid_t child = served(begin, serve);
    for (int n = 0; n < 2; n++) visited(child, "no copy could be made: the kernel refused");
    ended(child);
}
