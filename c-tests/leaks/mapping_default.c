// Forgotten mappings are told unasked: of a function that main called, of functions below it, of a thread, of a loop in main.
// flags: -pthread
// leak: lose @once 4096 1 mapping
// leak: lose_below @below 8192 1 mapping
// leak: work @thread 12288 1 mapping
// leak: give @given 16384 1 mapping
// leak: main @loop 61440 3 mapping
#include "plant.h"
#include <pthread.h>
#include <sys/mman.h>

#define MAP(size) mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
static NOINLINE void lose(void) {
    char *p = MAP(4096); /* @once */
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    NOTAIL;
}
static NOINLINE void lose_below(void) {
    char *p = MAP(8192); /* @below */
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    NOTAIL;
}
static NOINLINE void middle(void) {
    lose_below();
    NOTAIL;
}
static NOINLINE char *give(void) {
    char *p = MAP(16384); /* @given */
    CHECK(p != MAP_FAILED);
    NOTAIL;
    return p;
}
static NOINLINE void forget(char *volatile *of) {
    *of = NULL;
    NOTAIL;
}
static void *work(void *unused) {
    char *p = MAP(12288); /* @thread */
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    return unused;
}
int main(void) {
    pthread_t t;
    char *volatile given;
    lose();
    middle();
    CHECK(pthread_create(&t, NULL, work, NULL) == 0 && pthread_join(t, NULL) == 0);
    /* Main had it, and forgot it before anybody looked. */
    given = give();
    forget(&given);
    for (int i = 0; i < 3; i++) {
        char *p = MAP(20480); /* @loop */
        CHECK(p != MAP_FAILED);
        p[0] = 1;
    }
    scrub();
}
