// Cleanups never run inside malloc or free: a lock that the program holds around them, and that its cleanups take, does not hang it.
// flags: -pthread
// gleaner: collect_every=64k
#include "foreign.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int inside, ran;

static void cleanup(uintptr_t at, size_t size, uintptr_t arg) {
    CHECK(!inside);
    CHECK(pthread_mutex_lock(&lock) == 0);
    ran++;
    free(malloc(100000));
    CHECK(munmap((void *)at, size) == 0);
    CHECK(pthread_mutex_unlock(&lock) == 0);
}
static __attribute__((noinline)) void adopt_one(void) {
    gleaner_adopt(map(PAGE), PAGE, GLEANER_NOSCAN, cleanup, 0, 0);
}

int main(void) {
    for (int i = 0; i < 200; i++) {
        adopt_one();
        CHECK(pthread_mutex_lock(&lock) == 0);
        inside = 1;
        for (int j = 0; j < 200; j++) free(malloc(j * 7));
        inside = 0;
        CHECK(pthread_mutex_unlock(&lock) == 0);
    }
    CHECK(ran == 0);
    gleaner_run_cleanups();
    collect();
    CHECK(collects() ? ran > 150 : ran == 0);
    return 0;
}
