// With descriptors used up but for one, what an epoll holds cannot be read: nothing is freed until there is room again.
// modes: gc
// native: no
// gleaner: min_growth=1g
#include "check.h"
#include <fcntl.h>
#include <gleaner.h>
#include <sys/epoll.h>
#include <sys/resource.h>

static uint64_t held, lost;
static int ends[2], epoll;

static __attribute__((noinline)) void give(void) {
    char *p = malloc(500), *q = malloc(500);
    fill(p, 500, 1);
    CHECK(gleaner_weak_make(p, &held) == 0 && gleaner_weak_make(q, &lost) == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    CHECK((epoll = epoll_create1(0)) >= 0 && pipe(ends) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);
    memset(&event, 0, sizeof event);
}
static __attribute__((noinline)) int alive(uint64_t weak) { return gleaner_weak_get(weak) != NULL; }

int main(void) {
    struct rlimit limit = {100, 100};
    int last = -1, fd;
    give();
    clear_stack();
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while ((fd = dup(ends[0])) >= 0) last = fd;
    CHECK(errno == EMFILE && close(last) == 0);
    for (int i = 0; i < 6; i++) {
        CHECK(gleaner_collect() != 0);
        clear_stack();
    }
    CHECK((fd = dup(ends[0])) == last && alive(held) && alive(lost));
    clear_stack();
    for (int i = 50; i < 100; i++) close(i);
    for (int i = 0; i < 6; i++) {
        CHECK(gleaner_collect() == 0);
        clear_stack();
    }
    CHECK(alive(held) && intact(gleaner_weak_get(held), 500, 1) && !alive(lost));
}
