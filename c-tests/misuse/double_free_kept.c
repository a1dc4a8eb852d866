// A block that went from the newest free ones back to its span, and from there to the newest again, is freed a second time.
// native: no
// status: SIGABRT
// stderr: gleaner: *double free*
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

enum { N = 4000 };
static char *p[N], *q[N];

int main(void) {
    for (int i = 0; i < N; i++) p[i] = malloc(48);
    for (int i = 0; i < N; i++)
        if (i % 2) free(p[i]);
    // Half of the free ones are taken again, some of the others wait at hand.
    for (int i = 0; i < N / 4; i++) q[i] = malloc(48);
    for (int i = 1; i < N; i += 2) {
        int taken = 0;
        for (int k = 0; k < N / 4; k++) taken |= q[k] == p[i];
        if (taken) continue;
        pid_t child = fork();
        if (child == 0) {
            close(2);
            free(OPAQUE(p[i]));
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFSIGNALED(status)) {
            dprintf(2, "block %d: not noticed\n", i);
            return 1;
        }
        i += 100;
    }
    for (int k = 0; k < 16; k++) free(q[k]);
    free(OPAQUE(q[3]));
    dprintf(2, "still alive\n");
}
