/* One face for two collectors: this library, preloaded, or bdwgc (-DBDWGC, linked). Each collection of bdwgc's is a line
 * on stdout, `collection MARK_US STOPPED_US`; of ours the log tells the same. The declarations are those of gc.h, for
 * Debian's package of headers is not needed for five functions. */
#ifndef COLLECTOR_H
#define COLLECTOR_H
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static inline double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

#ifdef BDWGC
extern void GC_init(void), GC_gcollect(void), GC_disable(void), GC_enable(void), GC_set_all_interior_pointers(int);
extern void *GC_malloc(size_t);
extern int GC_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern void GC_set_on_collection_event(void (*)(int));
enum { MARK_START = 1, MARK_END = 2, PRE_STOP_WORLD = 6, POST_START_WORLD = 9 };

/* Called with bdwgc's lock held, by one thread at a time; the line is written once the world runs. */
static void on_event(int event) {
    static double stopped, mark_begun, marking;
    double now = now_us();
    if (event == PRE_STOP_WORLD) stopped = now, marking = 0;
    else if (event == MARK_START) mark_begun = now;
    else if (event == MARK_END) marking = now - mark_begun;
    else if (event == POST_START_WORLD && marking > 0) {
        char line[80];
        int n = snprintf(line, sizeof line, "collection %.0f %.0f\n", marking, now - stopped);
        if (write(1, line, n) != n) abort();
    }
}
static inline void collector_begin(void) {
    GC_set_all_interior_pointers(1);
    GC_init();
    GC_set_on_collection_event(on_event);
}
static inline void *new_object(size_t size) { return GC_malloc(size); }
static inline void collect(void) { GC_gcollect(); }
/* While a heap is built, bdwgc would collect again and again. */
static inline void building(int on) { on ? GC_disable() : GC_enable(); }
#define pthread_create GC_pthread_create
#else
#include "../../include/gleaner.h"
static inline void collector_begin(void) {}
static inline void *new_object(size_t size) {
    void *p = calloc(1, size);
    if (!p) abort();
    return p;
}
static inline void collect(void) { gleaner_collect(); }
static inline void building(int on) { (void)on; }
#endif

static inline uint64_t next_random(uint64_t *r) {
    *r ^= *r << 13;
    *r ^= *r >> 7;
    *r ^= *r << 17;
    return *r;
}
/* Memory that no collector of the two takes part in, once it is given back. */
static inline void *scratch(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) abort();
    return p;
}
#endif
