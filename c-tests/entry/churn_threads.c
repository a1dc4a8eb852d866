// Four threads allocate, resize and free at random, half of the frees in another thread: every byte stays what it was.
// flags: -pthread
// timeout: 60
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, SLOTS = 512, STEPS = 150000 };
struct block { uint64_t seed; size_t size; unsigned char bytes[]; };
static _Atomic(struct block *) shared[SLOTS];

static size_t pick(uint64_t r) {
    switch (r & 15) {
    case 0: return r >> 8 & 0x3ffff;
    case 1: case 2: return r >> 8 & 0x3fff;
    default: return r >> 8 & 0x1ff;
    }
}
static struct block *make(uint64_t *r) {
    size_t size = pick(next_random(r));
    struct block *b;
    switch (next_random(r) & 7) {
    case 0: b = memalign(128, sizeof *b + size); break;
    case 1: b = calloc(1, sizeof *b + size); break;
    default: b = malloc(sizeof *b + size);
    }
    CHECK(b != NULL && ALIGNED(b, 16));
    b->seed = next_random(r);
    b->size = size;
    fill(b->bytes, size, b->seed);
    return b;
}
static void *work(void *arg) {
    uint64_t r = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;
    for (int step = 0; step < STEPS / (int)sizeof(void *) * 2; step++) {
        unsigned slot = next_random(&r) % SLOTS;
        struct block *b = atomic_exchange(&shared[slot], NULL);
        if (b) {
            CHECK(intact(b->bytes, b->size, b->seed));
            if (next_random(&r) & 1) {
                free(b);
                b = NULL;
            } else {
                size_t size = pick(next_random(&r)), kept = size < b->size ? size : b->size;
                CHECK((b = realloc(b, sizeof *b + size)) != NULL);
                CHECK(intact(b->bytes, kept, b->seed));
                b->size = size;
                fill(b->bytes, size, b->seed);
            }
        } else {
            b = make(&r);
        }
        if (b && (b = atomic_exchange(&shared[slot], b))) free(b);
    }
    return NULL;
}
int main(void) {
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, work, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < SLOTS; i++) free(shared[i]);
}
