// malloc and free in thread-specific-data destructors, in every round of them, in order after ours.
// flags: -pthread
#include "check.h"
#include <pthread.h>

enum { KEYS = 20, THREADS = 100 };
static pthread_key_t keys[KEYS];
static _Atomic long rounds;

static void destroy(void *value) {
    int *round = value;
    rounds++;
    char *p = malloc(300);
    CHECK(p && intact(round + 1, 60, *round >> 8));
    free(p);
    if ((*round & 255) < 3) {
        int *again = malloc(64);
        *again = *round + 1;
        fill(again + 1, 60, *again >> 8);
        pthread_setspecific(keys[(*round >> 8) % KEYS], again);
    }
    free(value);
}
static void *work(void *arg) {
    for (int k = 0; k < KEYS; k++) {
        int *first = malloc(64);
        *first = k << 8;
        fill(first + 1, 60, k);
        pthread_setspecific(keys[k], first);
    }
    return NULL;
}
int main(void) {
    for (int k = 0; k < KEYS; k++) CHECK(pthread_key_create(&keys[k], destroy) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, work, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
    CHECK(rounds == THREADS * KEYS * 4L);
}
