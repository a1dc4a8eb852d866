// A thread leaks after the main thread has left; what main's frames held last keeps nothing.
// flags: -pthread
// leak: work @here 2500 25 direct
#include "plant.h"
#include <pthread.h>

static pthread_t leader;

static void *work(void *arg) {
    if (leader) CHECK(pthread_join(leader, NULL) == 0);
    for (int i = 0; i < 25; i++) {
        volatile char *p = malloc(100); /* @here */
        *p = 1;
    }
    scrub();
    exit(0);
}
/* Stale pointers to where the blocks will lie, all over main's stack. */
static NOINLINE void litter(void) {
    void *volatile p[400];
    for (int i = 0; i < 400; i++) p[i] = malloc(100);
    for (int i = 0; i < 400; i++) free(p[i]);
}
int main(void) {
    pthread_t t;
    litter();
    leader = pthread_self();
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    pthread_detach(t);
    pthread_exit(NULL);
}
