// A thread works with 600 bytes of its small stack left, where a signal's frame alone takes 3 KiB, and is stopped there.
// flags: -pthread -D_GNU_SOURCE
// gleaner: collect_every=64k
#include "check.h"
#include <alloca.h>
#include <limits.h>
#include <pthread.h>

static volatile int ready, over;

static void *work(void *arg) {
    pthread_attr_t attr;
    void *low;
    size_t size;
    CHECK(pthread_getattr_np(pthread_self(), &attr) == 0 && pthread_attr_getstack(&attr, &low, &size) == 0);
    pthread_attr_destroy(&attr);
    // What the program asked for ends here, whatever more it got.
    char *asked = (char *)low + size - PTHREAD_STACK_MIN, *here = __builtin_frame_address(0);
    volatile char *down = alloca(here - asked - 900);
    down[50] = 1;
    ready = 1;
    while (!over) __builtin_ia32_pause();
    CHECK(down[50] == 1);
    return arg;
}

int main(void) {
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
    for (int i = 0; i < 5; i++) {
        ready = over = 0;
        CHECK(pthread_create(&t, &attr, work, NULL) == 0);
        while (!ready) usleep(100);
        for (int n = 0; n < 20; n++) {
            volatile char *block = malloc(1 << 20);
            block[0] = 1;
            free((void *)block);
        }
        over = 1;
        CHECK(pthread_join(t, NULL) == 0);
    }
    size_t size;
    CHECK(pthread_attr_getstacksize(&attr, &size) == 0 && size == (size_t)PTHREAD_STACK_MIN);
    pthread_attr_destroy(&attr);
}
