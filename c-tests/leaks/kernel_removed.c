// What epoll and a timer held is lost when they hold it no more; what they hold is not, be it an object or a mapping.
// flags: -lrt
// gleaner: mappings=yes
// leak: lose @removed 101 1 direct
// leak: lose @closed 103 1 direct
// leak: lose @deleted 107 1 direct
// leak: lose @unmapped 12288 1 mapping
#include "plant.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>

static int watched(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    return ends[0];
}
static NOINLINE int give(int epoll, void *data) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    int fd = watched();
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    memset(&event, 0, sizeof event);
    return fd;
}
static NOINLINE timer_t start(void *data) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    timer_t timer;
    event.sigev_value.sival_ptr = data;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    memset(&event, 0, sizeof event);
    return timer;
}
static NOINLINE void *map(void) { return mmap(NULL, 20480, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static NOINLINE void keep(int epoll) {
    give(epoll, malloc(109));
    give(epoll, map());
    start(malloc(113));
    NOTAIL;
}
static NOINLINE void lose(int epoll) {
    int other = epoll_create1(0), rw = PROT_READ | PROT_WRITE;
    int one = give(epoll, malloc(101)); /* @removed */
    give(other, malloc(103)); /* @closed */
    timer_t timer = start(malloc(107)); /* @deleted */
    int two = give(epoll, mmap(NULL, 12288, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); /* @unmapped */
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, one, NULL) == 0 && epoll_ctl(epoll, EPOLL_CTL_DEL, two, NULL) == 0);
    CHECK(close(other) == 0 && timer_delete(timer) == 0);
    NOTAIL;
}
int main(void) {
    int epoll = epoll_create1(0);
    keep(epoll);
    scrub();
    lose(epoll);
    scrub();
}
