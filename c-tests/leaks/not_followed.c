// follow=no: neither children of fork report, nor programs that are executed.
// modes: leak
// gleaner: follow=no
// native: no
#include "ends.h"

static void again(const char *how) {
    dprintf(2, "%s %s", how, getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "alone");
    lose();
    exit(4);
}

int main(int argc, char **argv) {
    if (argc > 1) again(argv[1]);
    int status = run_again("again");
    CHECK(status == 4 << 8 && !strcmp(said, "again alone"));
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        lose();
        scrub();
        if (argc == 1) exit(6);
    }
    close(ends[1]);
    CHECK(read(ends[0], said, sizeof said) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 6 << 8);
}
