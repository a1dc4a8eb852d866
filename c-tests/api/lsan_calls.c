// LeakSanitizer's calls: what is ignored, disabled or in a named root region is no leak; the rest is, as often as it is asked for.
// native: no
// status[leak]: 23
// stderr[leak]: ...
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));
void __lsan_ignore_object(const void *) __attribute__((weak));
void __lsan_register_root_region(const void *, size_t) __attribute__((weak));
void __lsan_unregister_root_region(const void *, size_t) __attribute__((weak));
void __lsan_do_leak_check(void) __attribute__((weak));
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static int leak_mode;
static int leaks(void) {
    clear_stack();
    return __lsan_do_recoverable_leak_check();
}
struct node { struct node *next; char rest[60]; };
static __attribute__((noinline)) struct node *chain(void) {
    struct node *a = malloc(sizeof *a);
    a->next = malloc(sizeof *a);
    a->next->next = NULL;
    return a;
}
static uintptr_t hidden;
static __attribute__((noinline)) void ignored(void) { __lsan_ignore_object(chain()); }
static __attribute__((noinline)) void disabled(void) {
    __lsan_disable();
    __lsan_disable();
    chain();
    __lsan_enable();
    chain();
    char *p = malloc(10);
    p = realloc(p, 100000);
    __lsan_enable();
}
static __attribute__((noinline)) void hide(void) {
    struct node *a = chain();
    __lsan_register_root_region(a, sizeof *a);
    hidden = ~(uintptr_t)a;
}
static __attribute__((noinline)) void show(void) {
    struct node *a = (struct node *)~hidden;
    __lsan_unregister_root_region(a, sizeof *a);
}
static __attribute__((noinline)) void lose(void) { chain(); }

int main(void) {
    leak_mode = !strcmp(getenv("MODE"), "leak");
    /* None yet. */
    CHECK(leaks() == 0);
    ignored();
    CHECK(leaks() == 0);
    disabled();
    CHECK(leaks() == 0);
    /* The node in the region is not reached by it, but what it leads to is; the node is ignored. */
    hide();
    __lsan_ignore_object((void *)~hidden);
    CHECK(leaks() == 0);
    show();
    CHECK(leaks() == 0);
    /* A region that is not mapped, or not readable. */
    void *closed = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    __lsan_register_root_region((void *)64, 4096);
    __lsan_register_root_region(closed, 8192);
    CHECK(leaks() == 0);
    __lsan_unregister_root_region(closed, 8192);
    __lsan_unregister_root_region((void *)64, 4096);
    lose();
    CHECK(leaks() == leak_mode);
    CHECK(leaks() == leak_mode);
    atexit(abort);
    clear_stack();
    __lsan_do_leak_check();
    CHECK(!leak_mode);
    _exit(0);
}
