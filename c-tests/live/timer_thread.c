// libc's thread for timers blocks every signal it may: collections take place, and setgid reaches all threads as ever.
// flags: -pthread -lrt
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static volatile int rang;
static void ring(union sigval value) {
    CHECK(intact(value.sival_ptr, 700, 99));
    rang++;
}
static NOINLINE timer_t start(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = ring};
    event.sigev_value.sival_ptr = hold(700);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec later = {{3600, 0}, {3600, 0}};
    CHECK(timer_settime(timer, 0, &later, NULL) == 0);
    return timer;
}
int main(void) {
    timer_t timer = start();
    scrub_();
    for (int i = 0; i < 5; i++) {
        churn();
        CHECK(setgid(getgid()) == 0);
        check_held();
    }
    /* Its first call makes the thread known to the allocator. */
    struct itimerspec often = {{0, 5000000}, {0, 5000000}};
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    while (rang < 3) usleep(1000);
    struct itimerspec never = {{0, 0}, {0, 0}};
    CHECK(timer_settime(timer, 0, &never, NULL) == 0);
    check_held();
}
