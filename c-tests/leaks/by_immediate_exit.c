// _exit, _Exit and quick_exit are ends like exit: one report, status 23. A child of vfork reports nothing, one of fork keeps its status.
// modes: leak
#include "ends.h"

static void early(void) { dprintf(2, "handler "); }
static void leaves(void) { _exit(3); }

static void again(const char *how) {
    lose();
    scrub();
    if (!strcmp(how, "_exit")) _exit(5);
    if (!strcmp(how, "_Exit")) _Exit(5);
    if (!strcmp(how, "quick_exit")) {
        at_quick_exit(early);
        quick_exit(5);
    }
    if (!strcmp(how, "handler")) {
        atexit(leaves);
        exit(5);
    }
    if (!strcmp(how, "vfork")) {
        pid_t child = vfork();
        if (child == 0) _exit(7);
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        dprintf(2, "parent ");
        exit(0);
    }
    if (!strcmp(how, "fork")) {
        pid_t child = fork();
        if (child == 0) _exit(7);
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        dprintf(2, "parent ");
        exit(0);
    }
    abort();
}

int main(int argc, char **argv) {
    if (argc > 1) again(argv[1]);
    int ours = getenv("GLEANER") != NULL;
    const char *plain[] = {"_exit", "_Exit", "quick_exit", "handler", "vfork"};
    for (int i = 0; i < 5; i++) {
        int status = run_again(plain[i]);
        if (ours && (count(REPORT) != 1 || count("Direct leak of 100 byte(s) in 1 object(s)") != 1)) CHECK(write(2, said, strlen(said)) < 0);
        CHECK(WIFEXITED(status) && (!ours || WEXITSTATUS(status) == 23));
    }
    CHECK(run_again("quick_exit") == (ours ? 23 : 5) << 8 && !strncmp(said, "handler ", 8));
    run_again("vfork");
    CHECK(!strncmp(said, "parent ", 7));
    run_again("fork");
    CHECK(!ours || (count(REPORT) == 2 && strstr(said, "parent ") > strstr(said, REPORT)));
}
