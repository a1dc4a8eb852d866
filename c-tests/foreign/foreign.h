/* What the programs of this folder share: mappings that are adopted, hidden, and collected. */
#ifndef FOREIGN_H
#define FOREIGN_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../include/check.h"
#include <gleaner.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, CALLS = 1 << 16 };

/* Addresses are kept here in disguise. */
#define HIDE(p) (~(uintptr_t)(p))
#define SHOW(h) ((void *)~(h))

/* What the cleanups were called with, addresses hidden. */
static struct { uintptr_t at; size_t size; uintptr_t arg; } calls[CALLS];
static int called;

static inline void note(uintptr_t at, size_t size, uintptr_t arg) {
    int i = __atomic_fetch_add(&called, 1, __ATOMIC_RELAXED);
    CHECK(i < CALLS);
    calls[i].at = HIDE(at), calls[i].size = size, calls[i].arg = arg;
}

static inline int modes(const char *mode) {
    const char *now = getenv("MODE");
    return now && !strcmp(now, mode);
}
/* Whether cleanups ever become due. */
static inline int collects(void) { return gleaner_is_present() && modes("gc"); }

static __attribute__((noinline, unused)) void *map(size_t size) {
    void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* Overwrites what calls have left below on the stack, and in registers. */
static __attribute__((noinline, unused)) void forget(void) {
    volatile char room[16384];
    memset((void *)room, 0, sizeof room);
    __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory");
}

/* Two complete collections and one for stale words; then what is due is run. */
static __attribute__((noinline, unused)) int collect(void) {
    for (int i = 0; i < 3; i++) {
        forget();
        int status = gleaner_collect();
        CHECK(!collects() || status == 0);
    }
    return (int)gleaner_run_cleanups();
}

/* The same on a child thread's behalf would see its stack. */
static __attribute__((noinline, unused)) uint64_t adopt_note(void *at, size_t size, unsigned flags, uintptr_t arg) {
    uint64_t handle = 0;
    int status = gleaner_adopt(at, size, flags, note, arg, &handle);
    CHECK(gleaner_is_present() ? status == 0 && handle != 0 : status == GLEANER_ABSENT && handle == 0);
    return handle;
}
/* Maps, adopts, forgets: what is left is the hidden address. */
static __attribute__((noinline, unused)) uintptr_t adopt_new(size_t size, unsigned flags, uintptr_t arg, uint64_t *handle) {
    void *p = map(size);
    uint64_t h = adopt_note(p, size, flags, arg);
    if (handle) *handle = h;
    return HIDE(p);
}
static inline int was_called(uintptr_t hidden) {
    int count = 0;
    for (int i = 0; i < called; i++) count += calls[i].at == hidden;
    return count;
}
#endif
