// Threads that allocate at `max_heap` get NULL or a block that is theirs; together they never have more.
// flags: -pthread
// native: no
// gleaner: max_heap=32m
// stdout: ok
// stderr: *the heap has reached max_heap=33554432: no memory for * bytes
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, LIMIT = 32 << 20, MOST = 2000 };
static size_t held, refused;

static void *work(void *arg) {
    unsigned seed = (unsigned)(size_t)arg;
    static __thread char *mine[MOST];
    static __thread size_t sizes[MOST];
    for (int i = 0; i < 6000; i++) {
        unsigned at = rand_r(&seed) % MOST;
        if (mine[at]) {
            if (mine[at][0] != (char)at || mine[at][sizes[at] - 1] != (char)at) abort();
            __atomic_fetch_sub(&held, sizes[at], __ATOMIC_RELAXED);
            free(mine[at]);
        }
        sizes[at] = 16 + rand_r(&seed) % (rand_r(&seed) % 16 ? 8000 : 400000);
        mine[at] = malloc(sizes[at]);
        if (!mine[at]) {
            __atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
            continue;
        }
        memset(mine[at], (char)at, sizes[at]);
        if (__atomic_add_fetch(&held, sizes[at], __ATOMIC_RELAXED) > LIMIT) abort();
    }
    for (int at = 0; at < MOST; at++) {
        if (mine[at]) __atomic_fetch_sub(&held, sizes[at], __ATOMIC_RELAXED);
        free(mine[at]);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    void *p = malloc(LIMIT / 2);
    if (!refused || !p) printf("refused %zu, then %p\n", refused, p);
    free(p);
    puts("ok");
    return 0;
}
