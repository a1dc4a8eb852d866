// pthread_exit from deep inside a worker unwinds through our start routine.
// flags: -pthread
#include "check.h"
#include <pthread.h>

static int depth_of(void *p, int depth);
static int (*volatile deeper)(void *, int) = depth_of;

static int depth_of(void *p, int depth) {
    if (depth == 50) pthread_exit(p);
    return deeper(p, depth + 1) + 1;
}
static void *work(void *arg) {
    return (void *)(long)depth_of(malloc(100), 0);
}
int main(void) {
    for (int i = 0; i < 100; i++) {
        pthread_t t;
        void *p;
        CHECK(pthread_create(&t, NULL, work, NULL) == 0);
        CHECK(pthread_join(t, &p) == 0 && p != NULL);
        free(p);
    }
}
