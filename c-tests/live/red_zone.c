// Held by a word below the stack pointer, in the red zone of a leaf function.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static volatile int ready, stop;
static void *work(void *arg) {
    char *p = hold(700);
    scrub_();
    __asm__ volatile("sub $256, %%rsp\n mov %0, -120(%%rsp)\n xor %0, %0\n movl $1, %1\n"
                     "1: pause\n cmpl $0, %2\n je 1b\n add $256, %%rsp\n"
                     : "+r"(p), "=m"(ready)
                     : "m"(stop)
                     : "memory", "cc");
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    while (!ready) usleep(1000);
    churn();
    check_held();
}
