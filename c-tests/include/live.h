/* For objects that are alive in an awkward place. A program makes its object with `hold`, keeps the
 * pointer only where its first line says, calls `churn`, and looks with `check_held` that the object is
 * whole and that nothing else was given its address.
 *
 * In leak mode the object must not be reported: when main has returned, the place must still hold it.
 * In gc mode `churn` drops 48 MB of garbage, so that collections run; that they do reclaim is shown by
 * the resident size, or this test would show nothing. */
#ifndef LIVE_H
#define LIVE_H
#include "check.h"
#include <malloc.h>

#define NOINLINE __attribute__((noinline, noclone, unused))
#define HIDE(p) ((uintptr_t)(p) ^ 0xa5a5a5a5a5a5a5a5u)

static uintptr_t hidden_; /* the address of the object, unreadable for a collector */
static size_t held_size_;

static NOINLINE void scrub_(void) {
    volatile char stack[16384];
    for (size_t i = 0; i < sizeof stack; i++) stack[i] = 0;
    __asm__ volatile("" : : : "memory");
}
/* An object of `size` bytes with known contents. */
static NOINLINE char *hold(size_t size) {
    char *p = malloc(size);
    CHECK(p != NULL);
    fill(p, size, 99);
    hidden_ = HIDE(p);
    held_size_ = size;
    return p;
}
static NOINLINE void one_round_(size_t size) {
    char *p = malloc(size);
    CHECK(p != NULL);
    uintptr_t lo = HIDE(hidden_);
    /* given out again? */
    CHECK((uintptr_t)p + size <= lo || (uintptr_t)p >= lo + held_size_);
    lo = 0;
    memset(p, 0xee, size);
}
static NOINLINE int in_mode(const char *mode) {
    const char *now = getenv("MODE");
    return now && !strcmp(now, mode);
}
/* Garbage, 48 MB of it, of the held object's size and of others; only gc mode may get it back. */
static NOINLINE void churn(void) {
    if (!in_mode("gc")) return;
    size_t total = 0;
    for (int i = 0; total < (48u << 20); i++) {
        size_t size = (i & 1) && held_size_ ? held_size_ : (size_t)(i % 40) * 50 + 16;
        if (size > 100000) size = 100000;
        one_round_(size);
        total += size;
    }
    scrub_();
    CHECK(status_kib("VmRSS") < 40000);
}
/* Ends the test if the object suffered. */
static NOINLINE void check_held(void) {
    char *p = (char *)HIDE(hidden_);
    CHECK(intact(p, held_size_, 99));
    scrub_();
}
#endif
