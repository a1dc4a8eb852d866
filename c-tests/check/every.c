// check_every: the same leaks are told once, more of them again, of a program that sleeps; its child by fork has a timer of its own.
// modes: leak
// native: no
// gleaner: check_every=1
// timeout: 40
#include "ends.h"
#include <poll.h>

static void again(void) {
    lose();
    scrub();
    CHECK(poll(NULL, 0, 2600) == 0);
    lose();
    scrub();
    CHECK(poll(NULL, 0, 1600) == 0);
    pid_t child = fork();
    if (child == 0) {
        lose();
        scrub();
        poll(NULL, 0, 2600);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    usleep(300000);
    kill(getpid(), SIGKILL);
}

int main(int argc, char **argv) {
    if (argc > 1) again();
    int status = run_again("again");
    if (status != SIGKILL || count(REPORT) != 3 || count("SUMMARY: LeakSanitizer: 300 byte(s) leaked in 3 allocation(s)") != 1)
        dprintf(2, "%#x %d %s", status, count(REPORT), said);
}
