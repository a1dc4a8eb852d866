// Held by a timer alone, whose signal waits, and comes, and comes again.
// flags: -lrt
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <signal.h>
#include <time.h>

static NOINLINE timer_t give(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    event.sigev_value.sival_ptr = hold(700);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    memset(&event, 0, sizeof event);
    return timer;
}
static NOINLINE void take(const sigset_t *set) {
    siginfo_t info;
    CHECK(sigwaitinfo(set, &info) == SIGRTMIN + 3);
    CHECK((uintptr_t)info.si_value.sival_ptr == HIDE(hidden_) && intact(info.si_value.sival_ptr, 700, 99));
    memset(&info, 0, sizeof info);
}
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    timer_t timer = give();
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    for (int i = 0; i < 3; i++) {
        scrub_();
        churn();
        check_held();
        CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
        usleep(2000);
        churn();
        take(&set);
    }
    scrub_();
}
