// A check in a copy of the program: what only the kernel held at the stop is no leak, although the copy has no descriptors and no timers.
// modes: leak
// native: no
// flags: -lrt
// gleaner: marking=snapshot
// timeout: 60
#include "served.h"
#include <sys/epoll.h>
#include <time.h>

enum { N = 200 };
static int epoll, ends[2 * N];
static NOINLINE void give(void) {
    for (int i = 0; i < N; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = malloc(40)};
        CHECK(pipe(ends + 2 * i) == 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, ends[2 * i], &event) == 0);
    }
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    timer_t timer;
    event.sigev_value.sival_ptr = malloc(50);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    memset(&event, 0, sizeof event);
}
static void begin(void) {
    CHECK((epoll = epoll_create1(0)) >= 0);
    give();
    lose();
    scrub();
}
static void serve(void) {
    struct epoll_event event;
    CHECK(epoll_wait(epoll, &event, 1, 1) == 0);
}
int main(void) {
    pid_t child = served(begin, serve);
    for (int i = 0; i < 3; i++) visited(child, "a copy of the program was marked in ");
    ended(child);
}
