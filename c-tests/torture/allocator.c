// A thread is stepped through every call of the allocator; at each instruction a whole collection runs while it stands there.
// modes: gc leak
// native: no
// flags: -pthread
// timeout: 1800
// gleaner: min_growth=1g:limbo=1:disguised=no:checkmark=yes:deadline=60000:verbose=1
// stdout: ...
// stdout: in all: * instructions, parked at *
#include "stepper.h"
#include <malloc.h>

/* C++'s operators, by the names that the library exports. */
void *_Znwm(size_t), *_Znam(size_t), *_ZnwmRKSt9nothrow_t(size_t, void *), *_ZnamRKSt9nothrow_t(size_t, void *);
void *_ZnwmSt11align_val_t(size_t, size_t), *_ZnamSt11align_val_tRKSt9nothrow_t(size_t, size_t, void *);
void _ZdlPv(void *), _ZdaPv(void *), _ZdlPvm(void *, size_t), _ZdaPvm(void *, size_t), _ZdlPvSt11align_val_t(void *, size_t);
#pragma weak _Znwm
#pragma weak _Znam
#pragma weak _ZnwmRKSt9nothrow_t
#pragma weak _ZnamRKSt9nothrow_t
#pragma weak _ZnwmSt11align_val_t
#pragma weak _ZnamSt11align_val_tRKSt9nothrow_t
#pragma weak _ZdlPv
#pragma weak _ZdaPv
#pragma weak _ZdlPvm
#pragma weak _ZdaPvm
#pragma weak _ZdlPvSt11align_val_t

static int leak_mode;

/* What is held, in clear: every block is looked at after every call. */
enum { N = 48 };
static struct object {
    unsigned char *at;
    size_t size;
    int seed;
} held[N];
static int seed;

static void look(void) {
    for (struct object *o = held; o < held + N; o++)
        if (o->at) CHECK(intact(o->at, o->size, o->seed));
}
/* Keeps a new block; the oldest goes. */
static void keep(uint64_t hidden, size_t size) {
    CHECK(hidden != SECRET);
    unsigned char *p = (unsigned char *)(hidden ^ SECRET);
    CHECK(malloc_usable_size(p) >= size);
    struct object *o = &held[seed % N];
    if (o->at) free(o->at);
    fill(p, size, seed);
    *o = (struct object){p, size, seed++};
    look();
}
static uint64_t call(const char *name, enum how how, void *f, uint64_t a, uint64_t b, uint64_t c, uint64_t key, uint64_t out) {
    next_call(leak_mode ? ANY : how, "%s", name);
    errno = 77;
    uint64_t value = stepped_call(f, a, b, c, key, out);
    CHECK(errno == 77);
    look();
    return value;
}
/* A call that makes a block, whose address comes back hidden; one that takes the hidden block p. */
#define MAKE(name, how, f, a, b) call(name, how, (void *)f, (uint64_t)(a), (uint64_t)(b), 0, 0, SECRET)
#define TAKE(name, how, f, p, b) call(name, how, (void *)f, p, (uint64_t)(b), 0, SECRET, 0)
#define CHANGE(name, how, f, p, b, c) call(name, how, (void *)f, p, (uint64_t)(b), (uint64_t)(c), SECRET, SECRET)
#define AT(hidden) ((void *)((hidden) ^ SECRET))

static size_t usable(uint64_t p) {
    static void *volatile held_meanwhile __attribute__((used));
    held_meanwhile = AT(p);
    size_t size = TAKE("malloc_usable_size", FAST, malloc_usable_size, p, 0);
    held_meanwhile = NULL;
    return size;
}
/* The head of the class has a free slot, and objects beside. */
static void fast(size_t size) {
    keep(MAKE("malloc, first of a size", ANY, malloc, size, 0), size);
    keep((uint64_t)malloc(size) ^ SECRET, size);
    free(malloc(size));
    uint64_t p = MAKE("malloc", FAST, malloc, size, 0);
    fill(AT(p), size, 5);
    CHECK(usable(p) >= size);
    CHECK(CHANGE("realloc, same class", FAST, realloc, p, size + !size, 0) == p);
    CHECK(intact(AT(p), size, 5));
    TAKE("free", FAST, free, p, 0);
    /* A stepped memset takes byte by byte. */
    if (size > 2048 && !shared->thorough) return;
    p = MAKE("calloc", FAST, calloc, 1, size);
    for (size_t i = 0; i < size; i++) CHECK(((char *)AT(p))[i] == 0);
    keep(p, size);
}
static void operators(size_t size) {
    static char nothrow;
    struct {
        void *make, *take;
        size_t second;
    } forms[] = {{_Znwm, _ZdlPv, 0},
                 {_Znam, _ZdaPv, 0},
                 {_ZnwmRKSt9nothrow_t, _ZdlPvm, (size_t)&nothrow},
                 {_ZnamRKSt9nothrow_t, _ZdaPvm, (size_t)&nothrow},
                 {_ZnwmSt11align_val_t, _ZdlPvSt11align_val_t, 16}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        free(malloc(size));
        uint64_t p = MAKE("operator new", FAST, forms[i].make, size, forms[i].second);
        TAKE("operator delete", FAST, forms[i].take, p, size);
    }
    uint64_t p = MAKE("operator new, aligned", ANY, _ZnwmSt11align_val_t, size, 64);
    CHECK(ALIGNED(AT(p), 64));
    TAKE("operator delete", ANY, _ZdlPvSt11align_val_t, p, 64);
}
static void aligned(size_t size) {
    static void *out;
    free(malloc(size));
    keep(MAKE("memalign 16", FAST, memalign, 16, size), size);
    for (size_t align = 32; align <= 65536; align *= shared->thorough ? 2 : 8) {
        uint64_t p = MAKE("memalign", ANY, memalign, align, size);
        CHECK(ALIGNED(AT(p), align));
        keep(p, size);
        CHECK(call("posix_memalign", ANY, (void *)posix_memalign, (uint64_t)&out, align, size, 0, 0) == 0);
        keep((uint64_t)out ^ SECRET, size);
        out = NULL;
    }
    keep(MAKE("aligned_alloc", ANY, aligned_alloc, 64, size), size);
    keep(MAKE("valloc", ANY, valloc, size, 0), size);
    keep(MAKE("pvalloc", ANY, pvalloc, size, 0), size);
}
static void resized(size_t from, size_t to, enum how how, const char *name) {
    uint64_t p = (uint64_t)malloc(from) ^ SECRET;
    free(malloc(to));
    fill(AT(p), from, 9);
    p = CHANGE(name, how, realloc, p, to, 0);
    CHECK(intact(AT(p), from < to ? from : to, 9));
    free(AT(p));
}
/* Spans are used up, and their slots come back. */
static void used_up(size_t size, int count) {
    static void *list[1000];
    for (int i = 0; i < count; i++) {
        uint64_t p = MAKE("malloc, spans used up", ANY, malloc, size, 0);
        fill(list[i] = AT(p), size, i);
    }
    for (int i = 0; i < count; i++) CHECK(intact(list[i], size, i));
    for (int i = 0; i < count; i++) {
        uint64_t p = (uint64_t)list[i] ^ SECRET;
        list[i] = NULL;
        TAKE("free, spans become empty", ANY, free, p, 0);
    }
}
/* The collecting thread frees blocks of ours: of the head, and of full spans. */
static void remote(size_t size, int count) {
    static void *list[64];
    for (int i = 0; i < count; i++) list[i] = malloc(size);
    for (int i = 0; i < count; i++) {
        void *block = list[i];
        list[i] = NULL;
        shared->gift = block;
        block = NULL;
        keep(MAKE("malloc, remote frees", ANY, malloc, size, 0), size);
    }
}
/* Blocks of another thread that lives. */
static void others(size_t size, int count) {
    shared->size = size;
    free(shared->offer);
    for (int i = 0; i < count; i++) {
        shared->offer = NULL;
        keep(MAKE("malloc, remote frees", ANY, malloc, size, 0), size);
        void *block = shared->offer;
        CHECK(block != NULL);
        TAKE("free, another thread's", ANY, free, (uint64_t)block ^ SECRET, 0);
    }
    shared->offer = NULL;
    shared->size = 64;
}
static void *blocks[64];
static void *allocates(void *size) {
    for (int i = 0; i < 64; i++) fill(blocks[i] = malloc((size_t)size), (size_t)size, i);
    return NULL;
}
/* Blocks of a thread that is gone, and its spans. */
static void of_the_dead(size_t size, int count) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, allocates, (void *)size) == 0 && pthread_join(t, NULL) == 0);
    for (int i = 0; i < count; i++) {
        CHECK(intact(blocks[i], size, i));
        uint64_t p = (uint64_t)blocks[i] ^ SECRET;
        blocks[i] = NULL;
        TAKE("free, a dead thread's", ANY, free, p, 0);
        keep(MAKE("malloc, adopting", ANY, malloc, size, 0), size);
    }
    for (int i = count; i < 64; i++) free(blocks[i]);
}
static void large(size_t size) {
    uint64_t p = MAKE("malloc, large", ANY, malloc, size, 0);
    fill(AT(p), 5000, 4);
    if (shared->thorough) {
        p = CHANGE("realloc, large", ANY, realloc, p, size + size / 2, 0);
        CHECK(intact(AT(p), 5000, 4));
        p = CHANGE("realloc, large", ANY, realloc, p, size / 2, 0);
        CHECK(intact(AT(p), 5000, 4));
    }
    CHECK(usable(p) >= size / 2);
    TAKE("free, large", ANY, free, p, 0);
    /* A kept one. */
    p = MAKE("malloc, large", ANY, malloc, size / 2, 0);
    TAKE("free, large", ANY, free, p, 0);
}
static void map_grows(int count) {
    static void *list[200];
    for (int i = 0; i < count; i++) list[i] = AT(MAKE("malloc, the map grows", ANY, malloc, 1 << 20, 0));
    for (int i = 0; i < count; i++) free(list[i]);
}

static void all_calls(void) {
    shared->size = 64;
    if (leak_mode && !shared->thorough) {
        /* A stack is unwound for each block. */
        shared->visits = 1;
        keep((uint64_t)malloc(100) ^ SECRET, 100);
        uint64_t p = MAKE("malloc", ANY, malloc, 100, 0);
        TAKE("free", ANY, free, p, 0);
        return;
    }
    int n = 0;
    size_t size = 16;
    /* Each class's largest request, and the next one. */
    for (; size <= 65536; n++) {
        if (shared->thorough || n % 20 == 0) {
            fast(size - 1);
            fast(size);
        }
        size_t base = 256;
        while (base * 2 <= size) base *= 2;
        size += size < 256 ? 16 : size == base ? 16 : size == base + 16 ? base / 8 - 16 : base / 8;
    }
    TAKE("free", FAST, free, SECRET, 0);
    static const size_t sizes[] = {0, 24, 1000, 1040, 3000};
    for (int i = 0; i < (shared->thorough ? 5 : 2); i++) {
        operators(sizes[i]);
        if (i || shared->thorough) aligned(sizes[i]);
    }
    resized(20, 100, ANY, "realloc, grows");
    resized(1000, 3000, ANY, "realloc, grows");
    resized(3000, 100, ANY, "realloc, shrinks");
    if (shared->thorough) resized(60000, 70000, ANY, "realloc, grows"), resized(90000, 500, ANY, "realloc, shrinks");
    used_up(8000, shared->thorough ? 40 : 9);
    if (shared->thorough) used_up(100, 700), used_up(20000, 20);
    remote(8000, shared->thorough ? 40 : 9);
    remote(100, shared->thorough ? 40 : 3);
    others(3000, shared->thorough ? 12 : 3);
    others(32, shared->thorough ? 12 : 3);
    of_the_dead(8000, shared->thorough ? 20 : 3);
    of_the_dead(48, shared->thorough ? 20 : 3);
    large(100000);
    if (shared->thorough) large(3 << 20), large(40 << 20);
    map_grows(shared->thorough ? 20 : 3);
}
int main(void) {
    const char *mode = getenv("MODE");
    leak_mode = mode != NULL && !strcmp(mode, "leak");
    return stepping(all_calls);
}
