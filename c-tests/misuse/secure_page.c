// At level 3 a write behind a block of 4096 bytes faults at once, and so does one in front of it.
// native: no
// gleaner: secure=3
// status: 0
#include "check.h"
#include <sys/wait.h>

static int survives(char *p) {
    pid_t child = fork();
    if (child == 0) {
        *(volatile char *)p = 'A';
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return !WIFSIGNALED(status);
}
int main(void) {
    char *p = OPAQUE(malloc(4096)), *none = OPAQUE(malloc(0));
    CHECK(survives(p) && survives(p + 4095) && !survives(p + 4096) && !survives(p - 1) && !survives(none));
    free(p);
    CHECK(!survives(OPAQUE(p)));
    free(none);
}
