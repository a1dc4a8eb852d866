// A thread's stack where an earlier thread had a larger one: what is known of stacks there lies where nothing can be read any more.
// modes: leak
// native: no
// flags: -pthread -O2 -fomit-frame-pointer
#include "check.h"
#include <alloca.h>
#include <pthread.h>
#include <sys/mman.h>

enum { LARGE = 512 << 10, SMALL = 256 << 10, DEEP = 320 << 10 };
static char *memory, *place;

#define LAST __asm__ volatile("" ::: "memory")
#define NOINLINE __attribute__((noinline))

static NOINLINE void allocate(char **at) {
    char here;
    *at = &here;
    free(malloc(100));
    LAST;
}
static NOINLINE void deep(char **at) {
    char room[DEEP];
    __asm__ volatile("" ::"r"(room) : "memory");
    allocate(at);
    LAST;
}
static NOINLINE void one(char **at) { deep(at); LAST; }
static NOINLINE void other(char **at) { deep(at); LAST; }
/* Two ways to the same place, in turns: each is walked, met, and then known by words that lie far above. */
static void *first(void *unused) {
    for (int i = 0; i < 100; i++) one(&place), other(&place);
    return unused;
}
static NOINLINE void reach(size_t down, char **at) {
    char *room = alloca(down);
    __asm__ volatile("" ::"r"(room) : "memory");
    allocate(at);
    LAST;
}
static void *second(void *unused) {
    char *top, *now = NULL;
    reach(0, &top);
    CHECK(top > place);
    reach(top - place, &now);
    CHECK(now == place);
    return unused;
}
static void run(void *(*what)(void *), size_t size) {
    pthread_attr_t attr;
    pthread_t thread;
    CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstack(&attr, memory, size) == 0);
    CHECK(pthread_create(&thread, &attr, what, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

int main(void) {
    memory = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    run(first, LARGE);
    CHECK(mprotect(memory + SMALL, LARGE - SMALL, PROT_NONE) == 0);
    run(second, SMALL);
    return 0;
}
