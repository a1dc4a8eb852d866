// Held by the stack of a thread that blocked all signals by a raw system call.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int ready, done;
static void *work(void *arg) {
    /* All but the two that libc keeps for itself. */
    unsigned long all = ~(3ul << 31);
    char *volatile own = hold(900);
    CHECK(syscall(SYS_rt_sigprocmask, 2, &all, NULL, 8) == 0);
    scrub_();
    ready = 1;
    while (!done) usleep(1000);
    CHECK(intact(own, 900, 99));
    if (in_mode("leak")) for (;;) pause();
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    while (!ready) usleep(1000);
    churn();
    check_held();
    done = 1;
    usleep(10000);
}
