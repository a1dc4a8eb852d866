// What a child inherited and forgot is told by the child; the parent, which has it still, is silent.
// gleaner: mappings=yes
// status[leak]: 0
// leak: make @here 16384 1 mapping
#include "plant.h"
#include <sys/mman.h>
#include <sys/wait.h>

static char *volatile kept;
static NOINLINE void make(void) {
    kept = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @here */
    CHECK(kept != MAP_FAILED);
    NOTAIL;
}
int main(void) {
    make();
    scrub();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        kept = NULL;
        scrub();
        return 0;
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    const char *mode = getenv("MODE");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (mode && !strcmp(mode, "leak") ? 23 : 0));
}
