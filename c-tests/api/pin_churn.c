// Threads pin, free, reallocate and unpin each other's objects while collections run: what is held keeps its bytes until the last unpin.
// flags: -pthread
// native: no
// gleaner[gc]: min_growth=64k
// gleaner[leak]: exitcode=0:log=/dev/null
// timeout: 60
#include "check.h"
#include <gleaner.h>
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 4000, SLOTS = 64 };
struct slot { pthread_mutex_t lock; char *pinned; size_t size; uint64_t seed; } slots[SLOTS];

static void *churn(void *seed) {
    uint64_t state = (uintptr_t)seed * 977 + 1;
    for (int i = 0; i < ROUNDS; i++) {
        struct slot *s = &slots[next_random(&state) % SLOTS];
        pthread_mutex_lock(&s->lock);
        if (s->pinned) {
            /* Freed by whoever put it here. */
            CHECK(intact(s->pinned, s->size, s->seed));
            CHECK(gleaner_unpin(s->pinned + s->size / 2) == 0);
            s->pinned = NULL;
        } else {
            s->size = next_random(&state) % 50 ? 8 + next_random(&state) % 3000 : 200000;
            s->seed = next_random(&state);
            char *p = s->pinned = malloc(s->size);
            fill(p, s->size, s->seed);
            CHECK(gleaner_pin(p) == 0);
            if (next_random(&state) % 2) {
                free(p);
            } else {
                p = realloc(p, s->size * 4);
                if (p == s->pinned) CHECK(gleaner_pin(p) == 0 && gleaner_unpin(p) == 0);
                CHECK(intact(p, s->size, s->seed));
                if (p != s->pinned) memset(p, 0, s->size * 4);
                free(p);
            }
        }
        pthread_mutex_unlock(&s->lock);
        if (i % 500 == 0) gleaner_collect();
        char *junk = malloc(8 + next_random(&state) % 3000);
        memset(junk, 0xee, 8);
        if (next_random(&state) % 2) free(junk);
    }
    return NULL;
}
int main(void) {
    pthread_t t[THREADS];
    for (int i = 0; i < SLOTS; i++) pthread_mutex_init(&slots[i].lock, NULL);
    for (uintptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].pinned) CHECK(intact(slots[i].pinned, slots[i].size, slots[i].seed) && gleaner_unpin(slots[i].pinned) == 0);
    _exit(0);
}
