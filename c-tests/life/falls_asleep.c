// A program that frees much and falls asleep, in whatever call, is small again soon; the call lasts as long as it was asked to,
// and a signal ends it at once, in between two looks at the clock as well.
// native: no
// timeout: 60
// stdout: poll select epoll_wait nanosleep clock_nanosleep clock_nanosleep_until usleep sleep: small, on time, interrupted
#include "check.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static long resident_mb(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    long size, resident;
    CHECK(fscanf(f, "%ld %ld", &size, &resident) == 2);
    fclose(f);
    return resident * 4096 / 1000000;
}
static volatile sig_atomic_t came;
static void handler(int number) { came = number; }

/* Sleeps for 2 s in call number `which`: the result, and what is left where the call tells it. */
static int sleep_in(int which, double *left) {
    struct timespec two = {2, 0}, rest = {0};
    struct timeval tv = {2, 0};
    int epoll = epoll_create1(0), result, status = 0;
    struct epoll_event event;
    *left = -1;
    switch (which) {
    case 0: result = poll(NULL, 0, 2000); break;
    case 1: result = select(0, NULL, NULL, NULL, &tv); *left = tv.tv_sec + tv.tv_usec / 1e6; break;
    case 2: result = epoll_wait(epoll, &event, 1, 2000); break;
    case 3: result = nanosleep(&two, &rest); *left = rest.tv_sec + rest.tv_nsec / 1e9; break;
    case 4: status = clock_nanosleep(CLOCK_REALTIME, 0, &two, &rest); result = status ? -1 : 0, *left = rest.tv_sec + rest.tv_nsec / 1e9; break;
    case 5:
        clock_gettime(CLOCK_MONOTONIC, &two);
        two.tv_sec += 2;
        status = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &two, NULL), result = status ? -1 : 0;
        break;
    case 6: result = usleep(2000000); break;
    // Whole seconds only: nothing, where less than one is left.
    default: *left = sleep(2); result = came ? -1 : 0; errno = result ? EINTR : errno;
    }
    if (status) errno = status;
    close(epoll);
    return result;
}
static void make_idle(void) {
    enum { N = 60000 };
    static char *block[N];
    for (int i = 0; i < N; i++) memset(block[i] = malloc(1000), 1, 1000);
    for (int i = 0; i < N; i++) free(block[i]);
}
static int child(int which) {
    double left;
    make_idle();
    CHECK(resident_mb() > 20);
    double begun = now();
    errno = 77;
    CHECK(sleep_in(which, &left) == 0 && errno == 77);
    double took = now() - begun;
    if (resident_mb() > 12) return printf("%ld MB after the sleep\n", resident_mb()), 1;
    CHECK(took >= 1.9999 && took < 3.9);
    // A machine that has other things to do is late itself: that may happen a few times.
    int late = 0;
    signal(SIGALRM, handler);
    for (int ms = 450; ms < 1300; ms += 170) {
        make_idle();
        begun = now(), came = 0;
        setitimer(ITIMER_REAL, &(struct itimerval){{0}, {ms / 1000, ms % 1000 * 1000}}, NULL);
        int result = sleep_in(which, &left), error = errno;
        took = now() - begun;
        CHECK(came == SIGALRM && result == -1 && error == EINTR);
        CHECK(took > ms / 1000.0 - 0.01);
        if (took > ms / 1000.0 + 0.6 || (left >= 0 && (left > 2 - took + 0.02 || left < 2 - took - 1.01))) {
            CHECK(++late < 4);
            ms -= 170;
            continue;
        }
    }
    return 0;
}
static void *sleeper(void *arg) { sleep(30); return arg; }

int main(void) {
    static const char *names[] = {"poll", "select", "epoll_wait", "nanosleep", "clock_nanosleep", "clock_nanosleep_until", "usleep", "sleep"};
    enum { N = sizeof names / sizeof *names };
    pid_t pids[N];
    for (int i = 0; i < N; i++)
        if (!(pids[i] = fork())) exit(child(i));
    // A thread that is cancelled in its sleep, and whoever sleeps after it.
    make_idle();
    pthread_t t;
    pthread_create(&t, NULL, sleeper, NULL);
    usleep(100000);
    CHECK(pthread_cancel(t) == 0);
    void *result;
    CHECK(pthread_join(t, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(poll(NULL, 0, 3500) == 0 && resident_mb() < 12);
    for (int i = 0; i < N; i++) {
        int status;
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        printf("%s%s%s", names[i], status ? " FAILED" : "", i + 1 < N ? " " : ": small, on time, interrupted\n");
    }
    return 0;
}
