// The allocator suite: programs in the manner of those that allocators are compared with.
//
//     suite NAME [SCALE]     runs one and prints `NAME milliseconds processor-ms peak-KiB`; SCALE 100 is the usual length
//     suite                  lists the names
//
// Each program is a process of its own, so that its peak is its own. Written for this suite: what is alike
// is the pattern of allocation that the name stands for, not the code.
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int scale = 100;
static inline uint64_t next_random(uint64_t *r) {
    *r ^= *r << 13;
    *r ^= *r >> 7;
    *r ^= *r << 17;
    return *r;
}
static void in_threads(int n, void *(*run)(void *)) {
    pthread_t t[8];
    for (long i = 0; i < n; i++) pthread_create(&t[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
}

/* cfrac: numbers of a few words, a new one for each result, the old ones freed soon. The continued fraction of
   a square root, with its convergents. */
typedef struct { int words; uint32_t w[]; } Big;
static Big *big_new(int words) {
    Big *b = malloc(sizeof *b + words * sizeof b->w[0]);
    b->words = words;
    return b;
}
static Big *big_multiply_add(const Big *a, uint32_t by, const Big *plus) {
    int n = (a->words > plus->words ? a->words : plus->words) + 1;
    Big *r = big_new(n);
    uint64_t carry = 0;
    for (int i = 0; i < n; i++) {
        carry += i < a->words ? (uint64_t)a->w[i] * by : 0;
        carry += i < plus->words ? plus->w[i] : 0;
        r->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    while (r->words > 1 && !r->w[r->words - 1]) r->words--;
    return r;
}
static void cfrac(void) {
    for (int n = 0; n < 1000 * scale; n++) {
        uint32_t radicand = 1000003 + 2 * n, root = 1000, m = 0, d = 1, a = root;
        Big *before = big_new(1), *now = big_new(1);
        before->w[0] = 1, now->w[0] = a;
        for (int i = 0; i < 60; i++) {
            m = d * a - m;
            d = (radicand - m * m) / d;
            if (!d) break;
            a = (root + m) / d;
            Big *next = big_multiply_add(now, a, before);
            free(before);
            before = now;
            now = next;
        }
        free(before);
        free(now);
    }
}

/* espresso: covers of cubes, split by a variable again and again; vectors of pointers to small sets. */
enum { SET_WORDS = 6 };
typedef struct { int count; uint64_t **cubes; } Cover;
static Cover *cover_new(int count) {
    Cover *c = malloc(sizeof *c);
    c->count = 0;
    c->cubes = malloc((count + 1) * sizeof *c->cubes);
    return c;
}
static void cover_free(Cover *c) {
    for (int i = 0; i < c->count; i++) free(c->cubes[i]);
    free(c->cubes);
    free(c);
}
static int split(const Cover *c, int variable) {
    if (c->count < 2 || variable >= 64 * SET_WORDS) return c->count;
    int sum = 0;
    for (int side = 0; side < 2; side++) {
        Cover *half = cover_new(c->count);
        for (int i = 0; i < c->count; i++)
            if ((c->cubes[i][variable / 64] >> variable % 64 & 1) == (uint64_t)side) {
                size_t bytes = (1 + (variable + i) % SET_WORDS) * sizeof(uint64_t);
                uint64_t *copy = calloc(1, SET_WORDS * sizeof *copy + bytes);
                memcpy(copy, c->cubes[i], SET_WORDS * sizeof *copy);
                half->cubes[half->count++] = copy;
            }
        sum += split(half, variable + 7);
        cover_free(half);
    }
    return sum;
}
static void espresso(void) {
    uint64_t r = 11;
    for (int round = 0; round < 8 * scale; round++) {
        Cover *c = cover_new(300);
        for (c->count = 0; c->count < 300; c->count++) {
            uint64_t *cube = c->cubes[c->count] = malloc(SET_WORDS * sizeof *cube);
            for (int i = 0; i < SET_WORDS; i++) cube[i] = next_random(&r);
        }
        split(c, 0);
        cover_free(c);
    }
}

/* Blocks of random sizes replace each other at random places of a table. */
static void churn(uint64_t seed, int slots, long n, unsigned largest) {
    void **table = calloc(slots, sizeof *table);
    for (long i = 0; i < n; i++) {
        int k = next_random(&seed) % slots;
        free(table[k]);
        size_t size = 8 + next_random(&seed) % largest;
        memset(table[k] = malloc(size), (int)i, size < 64 ? size : 64);
    }
    for (int i = 0; i < slots; i++) free(table[i]);
    free(table);
}
static void *larson_thread(void *arg) { return churn((uintptr_t)arg * 977, 5000, 8000L * scale, 1000), NULL; }
static void larson(void) {
    for (int generation = 0; generation < 4; generation++) in_threads(2, larson_thread);
}
/* alloc_test: many small sizes, few large ones. */
static void *alloc_test_thread(void *arg) {
    uint64_t r = (uintptr_t)arg * 31 + 5;
    enum { SLOTS = 1 << 15 };
    unsigned char **table = calloc(SLOTS, sizeof *table);
    for (long i = 0; i < 30000L * scale; i++) {
        unsigned k = next_random(&r) % SLOTS;
        size_t size = 1 + next_random(&r) % (16u << next_random(&r) % 9);
        if (table[k]) {
            if (table[k][0] != (unsigned char)k) abort();
            free(table[k]);
        }
        table[k] = malloc(size);
        table[k][0] = (unsigned char)k;
    }
    for (int i = 0; i < SLOTS; i++) free(table[i]);
    free(table);
    return NULL;
}
static void alloc_test(void) { in_threads(2, alloc_test_thread); }

/* xmalloc: batches of blocks pass from makers to takers. */
enum { BATCH = 100, PLACES = 64 };
static void **_Atomic places[PLACES];
static void *xmalloc_thread(void *arg) {
    uint64_t r = (uintptr_t)arg * 71 + 3;
    for (long i = 0; i < 220L * scale; i++) {
        void **batch = malloc(BATCH * sizeof *batch);
        for (int k = 0; k < BATCH; k++) *(char *)(batch[k] = malloc(16 + next_random(&r) % 240)) = 1;
        void **old = __atomic_exchange_n((void ***)&places[next_random(&r) % PLACES], batch, __ATOMIC_ACQ_REL);
        if (!old) continue;
        for (int k = 0; k < BATCH; k++) free(old[k]);
        free(old);
    }
    return NULL;
}
static void xmalloc(void) { in_threads(4, xmalloc_thread); }

/* mstress: each thread builds and drops sets of blocks, some very large, and exchanges some with the others. */
static void *_Atomic exchanged[1000];
static void *mstress_thread(void *arg) {
    uint64_t r = (uintptr_t)arg * 131 + 17;
    enum { KEPT = 4000 };
    void **kept = calloc(KEPT, sizeof *kept);
    for (long i = 0; i < 5000L * scale; i++) {
        unsigned what = next_random(&r) % 100;
        size_t size = what == 0 ? next_random(&r) % 100000 : what < 10 ? next_random(&r) % 4000 : next_random(&r) % 200;
        void *p = calloc(1, size + 8);
        *(size_t *)p = size;
        void *old = what < 20 ? __atomic_exchange_n((void **)&exchanged[next_random(&r) % 1000], p, __ATOMIC_ACQ_REL)
                              : (old = kept[i % KEPT], kept[i % KEPT] = p, old);
        if (old && next_random(&r) % 8) free(old);
        else if (old) free(realloc(old, *(size_t *)old * 2 + 16));
    }
    for (int i = 0; i < KEPT; i++) free(kept[i]);
    free(kept);
    return NULL;
}
static void mstress(void) {
    for (int generation = 0; generation < 3; generation++) in_threads(4, mstress_thread);
}

/* rptest: sizes up to 16 KB; a fifth is freed by the neighbour. */
static void *_Atomic letter[8][256];
static void *rptest_thread(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    uint64_t r = me * 57 + 1;
    enum { LIVE = 3000 };
    void **live = calloc(LIVE, sizeof *live);
    for (long i = 0; i < 10000L * scale; i++) {
        unsigned k = next_random(&r) % LIVE;
        if (i % 5 == 0) {
            unsigned to = (me + 1) % 3, at = next_random(&r) % 256;
            free(__atomic_exchange_n((void **)&letter[to][at], live[k], __ATOMIC_ACQ_REL));
        } else free(live[k]);
        size_t size = 16 + next_random(&r) % (i % 16 ? 1000 : 16000);
        *(char *)(live[k] = malloc(size)) = 1;
    }
    for (int i = 0; i < LIVE; i++) free(live[i]);
    free(live);
    return NULL;
}
static void rptest(void) {
    in_threads(3, rptest_thread);
    for (int i = 0; i < 8 * 256; i++) free(letter[i / 256][i % 256]);
}

/* malloc_large: twenty blocks of 5 to 25 MB; a page in four is written to. */
static void malloc_large(void) {
    static char *live[20];
    uint64_t r = 42;
    for (int i = 0; i < 6 * scale; i++) {
        int k = next_random(&r) % 20;
        size_t size = 5000000 + next_random(&r) % 20000000;
        free(live[k]);
        live[k] = malloc(size);
        for (size_t at = 0; at < size; at += 16384) live[k][at] = 1;
    }
    for (int i = 0; i < 20; i++) free(live[i]);
}

/* sh6: blocks of rising sizes; most go in the reverse order, some stay for several rounds. */
static void *sh6_thread(void *arg) {
    enum { N = 2000, OLD = 8 };
    static _Thread_local void *block[N], *old[OLD][N / 10];
    for (long round = 0; round < 30L * scale; round++) {
        for (int i = 0; i < N; i++) *(char *)(block[i] = malloc(1 + (i * 37 + round) % 900)) = 1;
        for (int i = N - 1; i >= 0; i--) {
            if (i % 10) free(block[i]);
            else free(old[round % OLD][i / 10]), old[round % OLD][i / 10] = block[i];
        }
    }
    for (int i = 0; i < OLD * (N / 10); i++) free(old[i / (N / 10)][i % (N / 10)]);
    return arg;
}
static void sh6(void) { in_threads(2, sh6_thread); }

/* sh8: as sh6, with sizes up to 40 KB now and then, and blocks that the other thread frees. */
static void *_Atomic handed[2][256];
static void *sh8_thread(void *arg) {
    uintptr_t me = (uintptr_t)arg & 1;
    uint64_t r = 7 + me;
    enum { N = 1500 };
    static _Thread_local void *block[N];
    for (long round = 0; round < 30L * scale; round++) {
        for (int i = 0; i < N; i++) {
            size_t size = i % 100 ? 1 + (i * 53 + round) % 700 : 4000 + (long)(next_random(&r) % 36000);
            *(char *)(block[i] = malloc(size)) = 1;
        }
        for (int i = N - 1; i >= 0; i--) {
            if (i % 6) free(block[i]);
            else free(__atomic_exchange_n((void **)&handed[1 - me][next_random(&r) % 256], block[i], __ATOMIC_ACQ_REL));
        }
        for (int i = 0; i < 256; i += 8) free(__atomic_exchange_n((void **)&handed[me][i], NULL, __ATOMIC_ACQ_REL));
    }
    return NULL;
}
static void sh8(void) {
    in_threads(2, sh8_thread);
    for (int i = 0; i < 2 * 256; i++) free(handed[i / 256][i % 256]);
}

/* glibc_simple, glibc_thread: blocks of one size at a time, made and freed in the orders of first and last; a queue
   of a few sizes that each of the threads replaces at random. */
static void one_size(size_t size, long rounds, int count) {
    void *block[1600];
    for (long round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++) *(char *)(block[i] = malloc(size)) = 1;
        if (round % 2) for (int i = 0; i < count; i++) free(block[i]);
        else for (int i = count - 1; i >= 0; i--) free(block[i]);
    }
}
static void glibc_simple(void) {
    static const size_t sizes[] = {16, 32, 64, 128, 256, 512, 1024, 4096};
    static const int counts[] = {25, 100, 400, 1600};
    for (int s = 0; s < 8; s++)
        for (int c = 0; c < 4; c++) one_size(sizes[s], 2000L * scale / counts[c], counts[c]);
}
static void *glibc_thread_one(void *arg) {
    uint64_t r = (uintptr_t)arg * 19 + 1;
    void *slot[1024] = {0};
    for (long i = 0; i < 100000L * scale; i++) {
        int k = next_random(&r) % 1024;
        unsigned dice = next_random(&r) % 1024;
        free(slot[k]);
        *(char *)(slot[k] = malloc(dice == 0 ? 4 + next_random(&r) % 32768 : 4 + dice / 4)) = 1;
    }
    for (int i = 0; i < 1024; i++) free(slot[i]);
    return NULL;
}
static void glibc_thread(void) { in_threads(2, glibc_thread_one); }

/* cache_scratch: each thread writes to a block that it got from the first thread, then to its own: are they on one line? */
static void *cache_scratch_thread(void *arg) {
    char *block = *(void **)arg;
    for (int i = 0; i < 60 * scale; i++) {
        for (int k = 0; k < 2000; k++)
            for (int b = 0; b < 8; b++) ((volatile char *)block)[b]++;
        free(block);
        block = malloc(8);
    }
    free(block);
    return NULL;
}
static void cache_scratch(void) {
    pthread_t t[4];
    void *first[4];
    for (int i = 0; i < 4; i++) first[i] = calloc(1, 8);
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, cache_scratch_thread, &first[i]);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
}

/* barnes: an octree of bodies is built and dropped in each step; nodes of two sizes, dropped depth first. */
typedef struct Node { struct Node *child[8]; double mass; } Node;
static void insert(Node **place, uint64_t where, int depth) {
    while (depth < 12 && *place) {
        place = &(*place)->child[where & 7];
        where >>= 3;
        depth++;
    }
    if (!*place) (*place = calloc(1, sizeof **place + (depth > 5 ? 24 : 0)))->mass = depth;
}
static void drop(Node *n) {
    if (!n) return;
    for (int i = 0; i < 8; i++) drop(n->child[i]);
    free(n);
}
static void barnes(void) {
    uint64_t r = 5;
    for (int step = 0; step < scale + 1; step++) {
        Node *root = NULL;
        for (int i = 0; i < 20000; i++) insert(&root, next_random(&r), 0);
        drop(root);
    }
}

/* A million live blocks, replaced at random. */
static void churn_million(void) { churn(99, 1000000, 30000L * scale, 200); }
/* Vectors that grow by half, side by side. */
static void grow(void) {
    for (int round = 0; round < 40 * scale; round++) {
        char *p[8] = {0};
        for (size_t size = 16; size < 100000; size += size / 2)
            for (int i = 0; i < 8; i++) (p[i] = realloc(p[i], size))[size - 1] = 1;
        for (int i = 0; i < 8; i++) free(p[i]);
    }
}
/* 64 threads with little to do each: what a thread costs. */
static void *few(void *arg) {
    void *p[50];
    for (int i = 0; i < 50; i++) memset(p[i] = malloc(i * 16), 1, i * 16);
    for (int i = 0; i < 50; i++) free(p[i]);
    return arg;
}
static void threads(void) {
    for (int round = 0; round < 8 * scale; round++) in_threads(8, few);
}
/* Two megabytes and nothing more. */
static void tiny(void) {
    for (int i = 0; i < 20000; i++) memset(malloc(100), 1, 100);
}

static long status_of(const char *name);
/* burst: a gigabyte comes and goes, then the program sleeps for two seconds; resident before and after. */
static void burst(void) {
    uint64_t r = 3;
    void *kept[4000];
    for (int i = 0; i < 4000; i++) memset(kept[i] = malloc(4000), 1, 4000);
    long before = status_of("VmRSS:");
    size_t bytes = 0, all = (size_t)scale * ((1 << 30) / 100);
    void *list = NULL;
    while (bytes < all) {
        size_t size = 16 + next_random(&r) % (next_random(&r) % 256 ? 2000 : 200000);
        void *p = malloc(size);
        memset(p, 1, size);
        *(void **)p = list;
        list = p;
        bytes += size;
    }
    while (list) {
        void *next = *(void **)list;
        free(list);
        list = next;
    }
    long freed = status_of("VmRSS:");
    struct timespec two = {2, 0};
    nanosleep(&two, NULL);
    printf("before_kib %ld\nfreed_kib %ld\nidle_kib %ld\n", before, freed, status_of("VmRSS:"));
    for (int i = 0; i < 4000; i++) free(kept[i]);
}

static const struct { const char *name; void (*run)(void); } programs[] = {
    {"cfrac", cfrac}, {"espresso", espresso}, {"larson", larson}, {"alloc_test", alloc_test}, {"xmalloc", xmalloc},
    {"mstress", mstress}, {"rptest", rptest}, {"malloc_large", malloc_large}, {"sh6", sh6},
    {"sh8", sh8}, {"glibc_simple", glibc_simple}, {"glibc_thread", glibc_thread}, {"cache_scratch", cache_scratch},
    {"barnes", barnes}, {"churn_million", churn_million}, {"grow", grow}, {"threads", threads}, {"tiny", tiny},
    {"burst", burst},
};
/* A row of /proc/self/status, in KiB. The peak is asked there: getrusage's counts what was before exec. No stdio: it
   would allocate, and be measured. */
static long status_of(const char *name) {
    char text[4096];
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    char *row = strstr(text, name);
    return row ? atol(row + strlen(name)) : 0;
}
int main(int argc, char **argv) {
    if (argc > 2) scale = atoi(argv[2]);
    for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (argc < 2) puts(programs[i].name);
        else if (!strcmp(argv[1], programs[i].name)) {
            struct timespec a, b;
            clock_gettime(CLOCK_MONOTONIC, &a);
            programs[i].run();
            clock_gettime(CLOCK_MONOTONIC, &b);
            struct rusage used;
            getrusage(RUSAGE_SELF, &used);
            double wall = (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6;
            double cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3
                       + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
            printf("%s %.3f %.3f %ld\n", argv[1], wall, cpu, status_of("VmHWM:"));
        }
    }
}
