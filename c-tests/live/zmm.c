// Held by one of the upper sixteen AVX-512 registers only, of a thread that computes.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <pthread.h>

static volatile int ready, stop;
static void *work(void *arg) {
    char *p = hold(700);
    scrub_();
    __asm__ volatile("vpbroadcastq %0, %%zmm29\n vpsrldq $8, %%zmm29, %%zmm29\n xor %0, %0\n movl $1, %1\n"
                     "1: pause\n cmpl $0, %2\n je 1b\n vpxorq %%zmm29, %%zmm29, %%zmm29\n vzeroupper\n"
                     : "+r"(p), "=m"(ready)
                     : "m"(stop)
                     : "memory", "cc");
    return NULL;
}
int main(void) {
    pthread_t t;
    if (!__builtin_cpu_supports("avx512bw")) return 0;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    while (!ready) usleep(1000);
    churn();
    check_held();
}
