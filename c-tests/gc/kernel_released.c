// What epoll, timers and message queues hold lives as long as they hold it, and no longer.
// modes: gc
// native: no
// flags: -lrt
// gleaner: min_growth=1g
#include "check.h"
#include <fcntl.h>
#include <gleaner.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

enum { SIZE = 500, SORTS = 7 };
static const char *const names[SORTS] = {"removed", "replaced", "closed", "watched closed", "copied", "timer", "queue"};
static uint64_t weak[SORTS];
static int epolls[SORTS], watched[SORTS], copy;
static timer_t timer;
static mqd_t queue;

static __attribute__((noinline)) void *make(int sort) {
    char *p = malloc(SIZE);
    fill(p, SIZE, sort);
    CHECK(gleaner_weak_make(p, &weak[sort]) == 0);
    return p;
}
static __attribute__((noinline)) void give(void) {
    for (int i = 0; i < 5; i++) {
        int ends[2];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = make(i)};
        CHECK((epolls[i] = epoll_create1(0)) >= 0 && pipe(ends) == 0);
        CHECK(epoll_ctl(epolls[i], EPOLL_CTL_ADD, watched[i] = ends[0], &event) == 0);
    }
    CHECK((copy = dup(epolls[4])) >= 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    event.sigev_value.sival_ptr = make(5);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    event.sigev_value.sival_ptr = make(6);
    char name[64];
    snprintf(name, sizeof name, "/gleaner-gc-%d", getpid());
    CHECK((queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL)) >= 0 && mq_unlink(name) == 0);
    CHECK(mq_notify(queue, &event) == 0);
    memset(&event, 0, sizeof event);
}
static __attribute__((noinline)) unsigned alive(int sort) {
    char *p = gleaner_weak_get(weak[sort]);
    CHECK(!p || intact(p, SIZE, sort));
    return p != NULL;
}
static void expect(unsigned wanted) {
    for (int i = 0; i < 6; i++) {
        clear_stack();
        CHECK(gleaner_collect() == 0);
    }
    for (int i = 0; i < SORTS; i++)
        if (alive(i) != (wanted >> i & 1)) dprintf(2, "%s: %u, wanted %#x\n", names[i], alive(i), wanted);
    clear_stack();
}
int main(void) {
    give();
    expect(0x7f);
    struct epoll_event other = {.events = EPOLLIN, .data.u64 = 5};
    CHECK(epoll_ctl(epolls[0], EPOLL_CTL_DEL, watched[0], NULL) == 0);
    CHECK(epoll_ctl(epolls[1], EPOLL_CTL_MOD, watched[1], &other) == 0);
    expect(0x7c);
    CHECK(close(epolls[2]) == 0 && close(watched[3]) == 0 && close(epolls[4]) == 0);
    expect(0x70);
    CHECK(close(copy) == 0 && timer_delete(timer) == 0);
    expect(0x40);
    CHECK(mq_notify(queue, NULL) == 0);
    expect(0);
}
