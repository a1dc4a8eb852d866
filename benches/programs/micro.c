// Micro-benchmarks of malloc: `micro [SLICES] NAME…` prints `NAME nanoseconds-per-operation`, the best of five
// slices unless told; `micro` alone runs all.
//
// An operation is a malloc with its free, unless the name says otherwise. The slices are short, so
// that on a busy machine one of them runs undisturbed.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int slices = 5;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}
static inline uint64_t next_random(uint64_t *r) {
    *r ^= *r << 13;
    *r ^= *r >> 7;
    *r ^= *r << 17;
    return *r;
}
/* The compiler must believe that the block is used. */
static inline void *use(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}
#define KEEP __attribute__((noinline)) static

KEEP long pair(long n, size_t size) {
    for (long i = 0; i < n; i++) free(use(malloc(size)));
    return n;
}
KEEP long pair64(void) { return pair(3000000, 64); }
KEEP long pair4k(void) { return pair(1000000, 4096); }
KEEP long pair64k(void) { return pair(300000, 65536); }
KEEP long pair1m(void) { return pair(20000, 1 << 20); }
KEEP long pair8m(void) { return pair(5000, 8 << 20); }

/* 1,000 blocks of 48 bytes are made, then freed in the order of their making. */
KEEP long batch(void) {
    static void *p[1000];
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 1000; i++) p[i] = malloc(48);
        for (int i = 0; i < 1000; i++) free(p[i]);
    }
    return 1000000;
}
/* A million blocks, freed in random order. */
KEEP long shuffled(void) {
    enum { N = 1000000 };
    static void *p[N];
    uint64_t r = 77;
    for (int i = 0; i < N; i++) *(int *)(p[i] = malloc(48)) = i;
    for (int i = N - 1; i > 0; i--) {
        int k = next_random(&r) % (i + 1);
        void *t = p[i];
        p[i] = p[k];
        p[k] = t;
    }
    for (int i = 0; i < N; i++) free(p[i]);
    return N;
}
/* Random sizes up to 1 KiB replace each other at random places of a table. */
static long churn_in(void **table, int slots, long n, uint64_t r) {
    for (long i = 0; i < n; i++) {
        int k = next_random(&r) % slots;
        free(table[k]);
        table[k] = malloc(16 + next_random(&r) % 1000);
        *(char *)table[k] = 1;
    }
    for (int i = 0; i < slots; i++) free(table[i]), table[i] = NULL;
    return n;
}
KEEP long churn(void) {
    static void *table[50000];
    return churn_in(table, 50000, 1000000, 99);
}
/* The same with a million blocks alive. */
KEEP long churn1m(void) {
    static void *table[1000000];
    return churn_in(table, 1000000, 2000000, 98);
}
static void *larson_thread(void *arg) {
    void **table = calloc(5000, sizeof *table);
    churn_in(table, 5000, 500000, (uintptr_t)arg);
    free(table);
    return NULL;
}
/* Two threads that churn, each followed by another that takes its place (Larson's server). */
KEEP long larson(void) {
    for (int generation = 0; generation < 2; generation++) {
        pthread_t t[2];
        for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, larson_thread, (void *)(i + 5));
        for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    }
    return 2000000;
}
/* The same work by few threads and by many: what it costs that they are many. */
static int crowd_slots, crowd_steps;
static void *crowd_thread(void *arg) {
    void **table = calloc(crowd_slots, sizeof *table);
    churn_in(table, crowd_slots, crowd_steps, (uintptr_t)arg);
    free(table);
    return NULL;
}
static long crowd(int threads) {
    enum { ALL = 1 << 20 };
    pthread_t t[256];
    crowd_slots = (1 << 14) / threads, crowd_steps = ALL / threads;
    for (long i = 0; i < threads; i++) pthread_create(&t[i], NULL, crowd_thread, (void *)(i + 5));
    for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
    return ALL;
}
KEEP long crowd2(void) { return crowd(2); }
KEEP long crowd256(void) { return crowd(256); }
/* One thread makes blocks, another frees them, through a ring (xmalloc). */
enum { RING = 4096, PASSED = 1000000 };
static void *_Atomic ring[RING];
static void *consume(void *arg) {
    for (long i = 0; i < PASSED; i++) {
        void *p;
        while (!(p = __atomic_exchange_n((void **)&ring[i % RING], NULL, __ATOMIC_ACQUIRE))) __builtin_ia32_pause();
        free(p);
    }
    return arg;
}
KEEP long xmalloc(void) {
    pthread_t t;
    pthread_create(&t, NULL, consume, NULL);
    for (long i = 0; i < PASSED; i++) {
        void *p = malloc(64);
        *(char *)p = 1;
        while (__atomic_load_n((void **)&ring[i % RING], __ATOMIC_RELAXED)) __builtin_ia32_pause();
        __atomic_store_n((void **)&ring[i % RING], p, __ATOMIC_RELEASE);
    }
    pthread_join(t, NULL);
    return PASSED;
}
/* A buffer grows by half from 16 bytes to 64 KiB: an operation is one realloc. */
KEEP long grow(void) {
    long n = 0;
    for (int round = 0; round < 20000; round++) {
        char *p = NULL;
        for (size_t size = 16; size < 65536; size += size / 2, n++) (p = realloc(p, size))[size - 1] = 1;
        free(p);
    }
    return n;
}
/* The same by doubling to 64 MiB, as a vector does. */
KEEP long grow_large(void) {
    long n = 0;
    for (int round = 0; round < 20; round++) {
        char *p = NULL;
        for (size_t size = 4096; size <= 64 << 20; size *= 2, n++) (p = realloc(p, size))[size - 1] = 1;
        free(p);
    }
    return n;
}
static long zeroed(long n, size_t size) {
    for (long i = 0; i < n; i++) free(use(calloc(1, size)));
    return n;
}
KEEP long calloc100(void) { return zeroed(2000000, 100); }
KEEP long calloc1m(void) { return zeroed(10000, 1 << 20); }
static void *one_pair(void *arg) {
    free(use(malloc(100)));
    return arg;
}
/* A thread that allocates once: its creation, its end. */
KEEP long thread(void) {
    for (int i = 0; i < 2000; i++) {
        pthread_t t;
        pthread_create(&t, NULL, one_pair, NULL);
        pthread_join(t, NULL);
    }
    return 2000;
}
static const struct { const char *name; long (*run)(void); } benches[] = {
    {"pair64", pair64}, {"pair4k", pair4k}, {"pair64k", pair64k}, {"pair1m", pair1m}, {"pair8m", pair8m},
    {"batch", batch}, {"shuffled", shuffled}, {"churn", churn}, {"churn1m", churn1m}, {"larson", larson},
    {"xmalloc", xmalloc}, {"crowd2", crowd2}, {"crowd256", crowd256}, {"grow", grow}, {"grow_large", grow_large},
    {"calloc100", calloc100}, {"calloc1m", calloc1m}, {"thread", thread},
};
int main(int argc, char **argv) {
    if (argc > 1 && atoi(argv[1]) > 0) slices = atoi(argv[1]), argc--, argv++;
    for (unsigned b = 0; b < sizeof benches / sizeof *benches; b++) {
        int wanted = argc == 1;
        for (int i = 1; i < argc; i++) wanted |= !strcmp(argv[i], benches[b].name);
        double best = 1e18;
        for (int slice = 0; wanted && slice < slices; slice++) {
            double start = now();
            long n = benches[b].run();
            double each = (now() - start) / n;
            if (each < best) best = each;
        }
        if (wanted) printf("%s %.2f\n", benches[b].name, best);
    }
}
