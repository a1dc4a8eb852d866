// Threads with the smallest stack that there is (16 KiB) and with a stack given by the program.
// flags: -pthread
#include "check.h"
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>

static void *work(void *arg) {
    for (int i = 0; i < 10000; i++) free(malloc(i));
    return arg;
}
int main(void) {
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
    for (int i = 0; i < 20; i++) {
        CHECK(pthread_create(&t, &attr, work, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
    void *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pthread_attr_setstack(&attr, own, 65536) == 0);
    for (int i = 0; i < 20; i++) {
        CHECK(pthread_create(&t, &attr, work, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
    pthread_attr_destroy(&attr);
    munmap(own, 65536);
}
