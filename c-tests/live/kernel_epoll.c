// Held by an epoll alone, which has only a copy of its first descriptor left, and inherited by a child of fork.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/epoll.h>
#include <sys/wait.h>

static int ends[2];
static NOINLINE int give(void) {
    int first = epoll_create1(EPOLL_CLOEXEC), copy;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = hold(700)};
    CHECK(pipe(ends) == 0 && epoll_ctl(first, EPOLL_CTL_ADD, ends[0], &event) == 0);
    memset(&event, 0, sizeof event);
    CHECK((copy = dup(first)) >= 0 && close(first) == 0);
    return copy;
}
static NOINLINE void take(int epoll) {
    struct epoll_event event;
    CHECK(write(ends[1], "", 1) == 1 && epoll_wait(epoll, &event, 1, -1) == 1);
    CHECK((uintptr_t)event.data.ptr == HIDE(hidden_) && intact(event.data.ptr, 700, 99));
    memset(&event, 0, sizeof event);
}
int main(void) {
    int epoll = give(), status;
    scrub_();
    for (int i = 0; i < 3; i++) {
        churn();
        check_held();
    }
    pid_t child = fork();
    CHECK(child >= 0);
    churn();
    take(epoll);
    scrub_();
    churn();
    check_held();
    if (child) CHECK(waitpid(child, &status, 0) == child && status == 0);
}
