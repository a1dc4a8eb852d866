// What cannot be checked is told in one line: no such process, stopped, ended, without the library, malloc mode.
// modes: malloc leak
// native: no
#include "visitor.h"

static char text[65536];
static void expect(pid_t pid, const char *more, int status, const char *said) {
    int got = visit(pid, more, text, sizeof text);
    if (got != status || !strstr(text, said)) dprintf(2, "%d, not %d \"%s\": %s", got, status, said, text);
    CHECK(strchr(text, '\n') == strrchr(text, '\n'));
}

int main(void) {
    const char *options = getenv("GLEANER");
    if (options && strstr(options, "mode=malloc")) {
        expect(getpid(), "", 1, "runs in mode malloc");
        return 0;
    }
    expect(1 << 22, "", 1, "there is no process 4194304");
    expect(getpid(), "--signal KILL", 2, "there is no signal KILL");
    expect(getpid(), "--signal USR1", 1, "does not listen to SIGUSR1");
    pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    kill(child, SIGSTOP);
    while (waitpid(child, NULL, WUNTRACED) != child) {
    }
    expect(child, "", 1, "is stopped: let it go on");
    kill(child, SIGCONT);
    CHECK(visit(child, "", text, sizeof text) == 0);
    kill(child, SIGKILL);
    siginfo_t info;
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
    expect(child, "", 1, "has ended already");
    waitpid(child, NULL, 0);
    child = fork();
    if (child == 0) {
        unsetenv("LD_PRELOAD");
        execl("/bin/sleep", "sleep", "100", (char *)NULL);
        _exit(99);
    }
    usleep(100000);
    expect(child, "", 1, "runs without libgleaner.so");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
