// Held by the stack of a thread that sleeps in a system call.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>
#include <poll.h>

static volatile int ready;
static void *work(void *arg) {
    char *volatile p = hold(900);
    scrub_();
    ready = 1;
    poll(NULL, 0, 100000);
    return p;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    while (!ready) usleep(1000);
    churn();
    check_held();
}
