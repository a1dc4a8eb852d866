// Where the kernel does not let the process that marks beside the program track what is written, a copy marks.
// modes: gc
// native: no
// gleaner: marking=tracked:min_growth=1g:stats=yes
// stderr: ...
// told: gleaner: gc: collections: not tracked, the kernel does not tell what is written: 3
// told: gleaner: gc: collections: 6 by a copy of the process
// told: gleaner: gc: revived * resurrected 0
#include "check.h"
#include "gleaner.h"
#include "sandbox.h"

int main(void) {
    struct sandbox s;
    static const int calls[] = {SYS_userfaultfd};
    sandbox(&s, calls, 1, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s.program) == 0);
    char *kept = malloc(1000);
    fill(kept, 1000, 3);
    for (int i = 0; i < 6; i++) CHECK(gleaner_collect() == 0);
    CHECK(intact(kept, 1000, 3));
    return 0;
}
