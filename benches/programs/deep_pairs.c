/* malloc and free under a stack of twenty frames: what a call stack costs, and nothing else. deep_pairs COUNT
 * The innermost frames and the sizes vary, as they do in programs. */
#include <stdlib.h>
#include <stdio.h>

#define NOINLINE __attribute__((noinline, noclone))
#define NOTAIL __asm__ volatile("" : : : "memory")

static void *live[256];
static unsigned long next = 88172645463325252ul;
static unsigned long random_(void) {
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    return next;
}
NOINLINE static void *small(void) { void *p = malloc(16 + random_() % 100); NOTAIL; return p; }
NOINLINE static void *text(void) { void *p = malloc(100 + random_() % 400); NOTAIL; return p; }
NOINLINE static void *table(void) { void *p = calloc(1 + random_() % 20, 24); NOTAIL; return p; }
NOINLINE static void work(long count) {
    for (long i = 0; i < count; i++) {
        unsigned at = random_() & 255;
        free(live[at]);
        live[at] = i % 3 == 0 ? small() : i % 3 == 1 ? text() : table();
    }
}
NOINLINE static long deeper(int levels, long count) {
    if (levels == 0) work(count);
    else deeper(levels - 1, count);
    NOTAIL;
    return count;
}
int main(int count, char **words) {
    deeper(16, count > 1 ? atol(words[1]) : 1000000);
    printf("%lx\n", next);
    return 0;
}
