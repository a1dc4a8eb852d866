// malloc_usable_size of a block that was freed a moment ago, or long ago, or of no block's start ends the program.
// native: no
// status: SIGABRT
// stderr: gleaner: malloc_usable_size: *
#include "check.h"
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

static int survives(void *p) {
    pid_t child = fork();
    if (child == 0) {
        close(2);
        malloc_usable_size(OPAQUE(p));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return !WIFSIGNALED(status);
}

int main(void) {
    enum { N = 3000 };
    static char *p[N];
    for (int i = 0; i < N; i++) p[i] = malloc(48);
    CHECK(survives(p[7]) && malloc_usable_size(p[7]) >= 48);
    for (int i = 0; i < N - 1; i++) free(p[i]);
    for (int i = 0; i < N - 1; i += 300) CHECK(!survives(p[i]));
    CHECK(!survives(p[N - 2]) && !survives(p[N - 1] + 16));
    char *large = malloc(500000);
    CHECK(survives(large) && malloc_usable_size(large) >= 500000 && !survives(large + 4096));
    free(p[0] = malloc(2000));
    malloc_usable_size(OPAQUE(p[0]));
    dprintf(2, "still alive\n");
}
