// Threads that libc knows nothing about, and threads that end behind its back, among collections.
// flags: -pthread -D_GNU_SOURCE
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>

static volatile int stop;
static _Atomic long spun;
static int bare(void *arg) {
    while (!stop) spun++;
    syscall(SYS_exit, 0);
    return 0;
}
static void *vanish(void *arg) {
    free(malloc(100));
    syscall(SYS_exit, 0);
    return NULL;
}
static int c11(void *arg) {
    char *p = malloc(1000);
    fill(p, 1000, 3);
    for (int i = 0; i < 2000; i++) free(malloc(300));
    CHECK(intact(p, 1000, 3));
    free(p);
    return *(int *)arg;
}
int main(void) {
    enum { SIZE = 65536 };
    char *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    CHECK(stack != MAP_FAILED && clone(bare, stack + SIZE, flags, NULL) > 0);
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        CHECK(pthread_create(&t, &attr, vanish, NULL) == 0);
        thrd_t c;
        int result = 0, *arg = malloc(sizeof *arg);
        *arg = i;
        CHECK(thrd_create(&c, c11, arg) == thrd_success);
        CHECK(thrd_join(c, &result) == thrd_success && result == i);
        free(arg);
    }
    stop = 1;
    CHECK(spun > 0);
    usleep(10000);
}
