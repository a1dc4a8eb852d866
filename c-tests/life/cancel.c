// Threads are cancelled in malloc loops and while they block; their clean-up handlers run.
// flags: -pthread
#include "check.h"
#include <pthread.h>

static _Atomic int cleaned;
static void cleanup(void *p) {
    free(p);
    cleaned++;
}
static void *work(void *arg) {
    void *p = malloc(1000);
    pthread_cleanup_push(cleanup, p);
    for (;;) {
        for (int i = 0; i < 100; i++) free(malloc(i * 10));
        if ((long)arg & 1)
            pthread_testcancel();
        else
            usleep(1000000);
    }
    pthread_cleanup_pop(1);
    return NULL;
}
int main(void) {
    enum { N = 200 };
    for (long i = 0; i < N; i++) {
        pthread_t t;
        void *result;
        CHECK(pthread_create(&t, NULL, work, (void *)i) == 0);
        usleep(i % 7 * 100);
        CHECK(pthread_cancel(t) == 0);
        CHECK(pthread_join(t, &result) == 0 && result == PTHREAD_CANCELED);
    }
    CHECK(cleaned == N);
    char *p = malloc(5000);
    CHECK(p != NULL);
    free(p);
}
