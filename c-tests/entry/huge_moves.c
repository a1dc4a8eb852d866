// Huge blocks that mremap moves, while other threads' come to lie where they were: each is found by free, and nobody else's is forgotten.
// flags: -pthread
// timeout: 60
#include "check.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 4, TURNS = 6000, KEPT = 4 };
static const size_t MB = 1 << 20;

static void *turns(void *number) {
    unsigned seed = (unsigned)(size_t)number;
    unsigned char *p[KEPT] = {0};
    size_t n[KEPT] = {0};
    for (int i = 0; i < TURNS; i++) {
        int k = rand_r(&seed) % KEPT;
        size_t to = (33 + rand_r(&seed) % 8) * MB;
        CHECK(!p[k] || (p[k][0] == k + 1 && p[k][n[k] - 1] == k + 1 && malloc_usable_size(p[k]) >= n[k]));
        if (rand_r(&seed) % 4 == 0) {
            free(p[k]);
            p[k] = NULL;
        }
        p[k] = realloc(p[k], to);
        CHECK(p[k]);
        n[k] = to;
        p[k][0] = p[k][to - 1] = k + 1;
    }
    for (int k = 0; k < KEPT; k++) free(p[k]);
    return NULL;
}
int main(void) {
    pthread_t t[THREADS];
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, turns, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    return 0;
}
