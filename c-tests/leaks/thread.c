// A block that a thread held on its stack and in thread-local storage, after the thread has ended.
// flags: -pthread
// leak: work @stack 500 1 direct
// leak: work @tls 600 1 direct
#include "plant.h"
#include <pthread.h>

static __thread char *mine;
static void *work(void *arg) {
    char *volatile p = malloc(500); /* @stack */
    *p = 1;
    mine = malloc(600); /* @tls */
    *mine = 1;
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    CHECK(pthread_join(t, NULL) == 0);
    scrub();
}
