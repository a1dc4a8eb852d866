// Held across fork: the child churns, and its parent's objects are whole in it.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/wait.h>

static char *volatile place;
static NOINLINE void put(void) { place = hold(1000) + 7; }
int main(void) {
    put();
    scrub_();
    churn();
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            churn();
            check_held();
            _exit(0);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    check_held();
}
