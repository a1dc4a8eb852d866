// check_signal: a report at each signal, and the program goes on; a sleep is not cut short, and no child is seen.
// modes: leak
// native: no
// gleaner: check_signal=USR2
#include "ends.h"
#include <poll.h>
#include <time.h>

static void again(void) {
    struct sigaction old;
    struct timespec t;
    pid_t child;
    CHECK(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    lose();
    scrub();
    signal(SIGCHLD, SIG_DFL);
    pid_t me = getpid();
    if ((child = fork()) == 0) {
        unsetenv("LD_PRELOAD");
        char line[200];
        snprintf(line, sizeof line, "for i in 1 2; do sleep 0.3; kill -USR2 %d; done; sleep 1.2", (int)me);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    }
    time_t begun = time(NULL);
    CHECK(poll(NULL, 0, 1500) == 0 && time(NULL) - begun >= 1);
    raise(SIGUSR2);
    CHECK(waitpid(-1, NULL, 0) == child && waitpid(-1, NULL, WNOHANG) == -1);
    clock_gettime(CLOCK_MONOTONIC, &t);
    kill(me, SIGKILL);
}

int main(int argc, char **argv) {
    if (argc > 1) again();
    int status = run_again("again");
    if (status != SIGKILL || count(REPORT) != 3) dprintf(2, "%#x %d %s", status, count(REPORT), said);
    CHECK(count("of 100 byte(s) in 1 object(s)") == 3 && count(" in lose ") == 3);
}
