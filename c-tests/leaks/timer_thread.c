// A leak beside libc's thread for timers, which blocks every signal it may.
// flags: -pthread -lrt
// leak: plant @here 321 1 direct
#include "plant.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

static void ring(union sigval value) {}
static NOINLINE void plant(void) {
    volatile char *p = malloc(321); /* @here */
    *p = 1;
    NOTAIL;
}
int main(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = ring};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    plant();
    scrub();
}
