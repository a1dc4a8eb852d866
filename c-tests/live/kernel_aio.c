// Held by an operation of POSIX aio that is under way: libc's own lists lead to it.
// flags: -lrt -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <aio.h>
#include <signal.h>

static int ends[2];
static char buffer[8];
static NOINLINE void give(void) {
    struct aiocb *block = calloc(1, sizeof *block);
    block->aio_fildes = ends[0];
    block->aio_buf = buffer;
    block->aio_nbytes = 1;
    block->aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    block->aio_sigevent.sigev_signo = SIGRTMIN + 3;
    block->aio_sigevent.sigev_value.sival_ptr = hold(700);
    CHECK(aio_read(block) == 0);
}
int main(void) {
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && pipe(ends) == 0);
    give();
    for (int i = 0; i < 3; i++) {
        scrub_();
        churn();
        check_held();
    }
    /* In leak mode it is still under way at the end. */
    if (in_mode("leak")) return 0;
    CHECK(write(ends[1], "", 1) == 1 && sigwaitinfo(&set, &info) == SIGRTMIN + 3);
    CHECK(intact(info.si_value.sival_ptr, 700, 99));
}
