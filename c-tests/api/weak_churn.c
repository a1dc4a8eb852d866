// Threads drop objects and ask their weak handles while collections run: what a get returns is alive and whole. Each cleanup is called once.
// modes: gc
// native: no
// flags: -pthread
// gleaner: min_growth=64k:limbo=1
// timeout: 60
#include "check.h"
#include <gleaner.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 3, SLOTS = 64, ROUNDS = 20000, MAX = THREADS * ROUNDS };
static struct { pthread_mutex_t lock; uint64_t handle, seed; char *strong; } slots[SLOTS];
static atomic_uchar called[MAX];
static atomic_int made, got, lost;

static void once(uintptr_t address, size_t size, uintptr_t number) {
    CHECK(atomic_fetch_add(&called[number], 1) == 0);
    free(malloc(50));
}
static void *churn(void *seed) {
    uint64_t state = (uintptr_t)seed * 977 + 1;
    for (int i = 0; i < ROUNDS; i++) {
        __typeof__(slots[0]) *s = &slots[next_random(&state) % SLOTS];
        pthread_mutex_lock(&s->lock);
        char *p = gleaner_weak_get(s->handle);
        if (p) {
            CHECK(intact(p, 300, s->seed));
            atomic_fetch_add(&got, 1);
            s->strong = next_random(&state) % 4 ? NULL : p;
        } else {
            if (s->handle) {
                CHECK(s->strong == NULL);
                CHECK(gleaner_weak_drop(s->handle) == 0);
                atomic_fetch_add(&lost, 1);
            }
            int number = atomic_fetch_add(&made, 1);
            fill(p = malloc(300), 300, s->seed = next_random(&state));
            CHECK(gleaner_weak_make(p, &s->handle) == 0);
            CHECK(gleaner_add_cleanup(p, once, number, 0, NULL) == 0);
            s->strong = p;
        }
        pthread_mutex_unlock(&s->lock);
        memset(malloc(500), 1, 500);
        if (i % 1000 == 0) gleaner_collect();
        if (i % 100 == 0) gleaner_run_cleanups();
    }
    return NULL;
}
int main(void) {
    pthread_t t[THREADS];
    for (int i = 0; i < SLOTS; i++) pthread_mutex_init(&slots[i].lock, NULL);
    for (uintptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    struct gleaner_figures f;
    CHECK(gleaner_stats(&f, sizeof f) == 0 && f.resurrected == 0);
    CHECK(lost > 0 && got > 0);
    gleaner_run_cleanups();
    int count = 0;
    for (int i = 0; i < made; i++) count += called[i];
    CHECK(count >= lost && count <= made);
    return 0;
}
