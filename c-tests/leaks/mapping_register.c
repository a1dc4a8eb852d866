// A mapping that only a register of a running thread leads to, and one that is a thread's stack.
// gleaner: mappings=yes
// flags: -pthread
#include "plant.h"
#include <pthread.h>
#include <sys/mman.h>

static volatile int ready;
static NOINLINE char *map(size_t size) {
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
static void *spin(void *arg) {
    (void)arg;
    char *p = map(8192);
    scrub();
    __asm__ volatile("mov %0, %%r13\n xor %0, %0\n movl $1, %1\n 1: pause\n jmp 1b"
                     : "+b"(p), "=m"(ready) : : "r13", "memory");
    return NULL;
}
static NOINLINE void start(void) {
    pthread_attr_t attributes;
    pthread_t t;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, map(1 << 18), 1 << 18) == 0);
    CHECK(pthread_create(&t, &attributes, spin, NULL) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
}
int main(void) {
    start();
    while (!ready) usleep(1000);
    scrub();
}
