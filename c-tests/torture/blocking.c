// Calls that block are stepped, and begin to sleep, with a collection at each instruction and one while they sleep: results as without, no EINTR.
// modes: gc
// native: no
// flags: -pthread
// timeout: 900
// gleaner: min_growth=1g:limbo=1:disguised=no:checkmark=yes:deadline=60000:verbose=1
// stdout: ...
// stdout: in all: * instructions, parked at *
#include "stepper.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

static int from, to, epoll;
static unsigned char *buffer; /* a pointer in a register only, while the kernel writes there */

static long stepped(const char *name, void *f, uint64_t a, uint64_t b, uint64_t c) {
    next_call(ANY, "%s", name);
    errno = 77;
    long value = (int)stepped_call(f, a, b, c, 0, 0);
    CHECK(errno == 77);
    CHECK(intact(buffer + 100, 400, 5));
    return value;
}
/* Each call once with something to take, and once asleep until there is. */
static void readable(const char *name, void *f, uint64_t a, uint64_t b, uint64_t c, long expected, int consumes) {
    char text[100] = "", sleeps[64];
    CHECK(write(to, text, sizeof text) == sizeof text);
    CHECK(stepped(name, f, a, b, c) == expected);
    if (!consumes) CHECK(read(from, text, sizeof text) == sizeof text);
    snprintf(sleeps, sizeof sleeps, "%s, asleep", name);
    shared->feed = to;
    shared->fed = sizeof text;
    CHECK(stepped(sleeps, f, a, b, c) == expected);
    CHECK(shared->fed == 0);
    if (!consumes) CHECK(read(from, text, sizeof text) == sizeof text);
}
static int selects(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(from, &set);
    return select(from + 1, &set, NULL, NULL, NULL) == 1 && FD_ISSET(from, &set);
}
static int waits(void) {
    struct epoll_event event;
    return epoll_wait(epoll, &event, 1, -1) == 1 && event.data.fd == from;
}
static long reads_by_itself(void) { return syscall(SYS_read, from, buffer, 100); }
static int sleeps(void) {
    double begun = seconds();
    struct timespec t = {0, 3000000}, left;
    return nanosleep(&t, &left) == 0 && seconds() - begun >= 0.003;
}
static int times_out(void) {
    double begun = seconds();
    struct pollfd p = {from, POLLIN, 0};
    return poll(&p, 1, 5) == 0 && seconds() - begun >= 0.005;
}
static void all_calls(void) {
    struct pollfd poll_one = {from, POLLIN, 0};
    shared->size = 64;
    shared->visits = 6;
    buffer = malloc(500);
    fill(buffer + 100, 400, 5);
    readable("read", (void *)read, (uint64_t)from, (uint64_t)buffer, 100, 100, 1);
    readable("recv", (void *)recv, (uint64_t)from, (uint64_t)buffer, 100, 100, 1);
    readable("poll", (void *)poll, (uint64_t)&poll_one, 1, (uint64_t)-1, 1, 0);
    CHECK(poll_one.revents == POLLIN);
    readable("select", (void *)selects, 0, 0, 0, 1, 0);
    readable("epoll_wait", (void *)waits, 0, 0, 0, 1, 0);
    readable("read by syscall", (void *)reads_by_itself, 0, 0, 0, 100, 1);
    CHECK(stepped("write", (void *)write, (uint64_t)to, (uint64_t)buffer, 100) == 100);
    CHECK(read(from, buffer, 100) == 100);
    CHECK(stepped("poll, times out", (void *)times_out, 0, 0, 0) == 1);
    CHECK(stepped("nanosleep", (void *)sleeps, 0, 0, 0) == 1);
}
int main(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    from = pair[0], to = pair[1];
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = from};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, from, &event) == 0);
    return stepping(all_calls);
}
