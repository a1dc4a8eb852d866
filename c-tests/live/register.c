// Held by a callee-saved register only, of a thread that computes.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static volatile int ready, stop;
static void *work(void *arg) {
    char *p = hold(700);
    scrub_();
    /* The pointer moves to r12 and nowhere else; the loop runs until it is told to stop. */
    __asm__ volatile("mov %0, %%r12\n xor %0, %0\n movl $1, %1\n"
                     "1: pause\n cmpl $0, %2\n je 1b\n"
                     : "+r"(p), "=m"(ready)
                     : "m"(stop)
                     : "r12", "memory", "cc");
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    while (!ready) usleep(1000);
    churn();
    check_held();
}
