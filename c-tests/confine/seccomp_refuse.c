// A filter that refuses signals between threads: collections are given up at once, not after their deadline.
// gleaner[gc]: collect_every=256k
// stderr[leak]: ...
// flags: -pthread
#include "sandbox.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static atomic_int stop;
static void *background(void *arg) {
    while (!stop) work(100000);
    return arg;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void) {
    static const int refused[] = {SYS_tgkill, SYS_rt_tgsigqueueinfo, SYS_tkill};
    static struct sandbox s;
    pthread_t t;
    sandbox(&s, refused, 3, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s.program) == 0);
    CHECK(pthread_create(&t, NULL, background, NULL) == 0);
    double begun = now();
    work(40 << 20);
    /* Each would last 200 ms, all of them about 10 s. */
    CHECK(now() - begun < 4);
    stop = 1;
    CHECK(pthread_join(t, NULL) == 0);
}
