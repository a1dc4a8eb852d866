// Garbage that plain integers in the roots keep: false_retention KIND MEGABYTES alone|list|avoid. Run with the
// library in gc mode; prints bytes. avoid: a list, as if nothing were placed on pages that a word of the roots points to.
#include <gleaner.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 64 MB of roots. */
#define WORDS (8 << 20)
static volatile uint64_t roots[WORDS];
static uint64_t seed = 88172645463325252u;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}
static uint64_t pair(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }
static void *volatile newest;

/* Pages that a word points to, whatever its top bits are: in order. */
static uint32_t hit[WORDS];
static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}
/* The low 32 bits of the page's number: that takes a few pages more for hit. */
static uint32_t page(uint64_t address) { return (uint32_t)(address >> 12); }
static int is_hit(uint64_t address) {
    uint32_t wanted = page(address);
    return bsearch(&wanted, hit, WORDS, sizeof *hit, by_number) != NULL;
}

/* Each alone, or each with a pointer to the one before. */
static __attribute__((noinline)) void waste(long count, const char *how) {
    uint64_t last = 0;
    int skip = 0;
    newest = NULL;
    for (long i = 0; i < count; i++) {
        void **fresh = malloc(56);
        memset(fresh, 0, 56);
        if (!strcmp(how, "avoid") && (uint64_t)fresh >> 12 != last) {
            last = (uint64_t)fresh >> 12;
            skip = is_hit((uint64_t)fresh);
        }
        if (strcmp(how, "alone") && !skip) *fresh = newest;
        if (!skip) newest = fresh;
    }
    newest = NULL;
}
static __attribute__((noinline)) void wipe(void) {
    volatile char below[20000];
    for (unsigned i = 0; i < sizeof below; i++) below[i] = 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return 1;
    const char *kind = argv[1];
    for (long i = 0; i < WORDS; i++) {
        double fraction = (double)(next() >> 11) / 9007199254740992.0;
        if (!strcmp(kind, "counters")) roots[i] = (uint64_t)i;
        if (!strcmp(kind, "random64")) roots[i] = next();
        if (!strcmp(kind, "random47")) roots[i] = next() >> 17;
        if (!strcmp(kind, "doubles")) memcpy((void *)&roots[i], &fraction, 8);
        if (!strcmp(kind, "pairs31")) roots[i] = pair((uint32_t)next() >> 1, (uint32_t)next() >> 1);
        if (!strcmp(kind, "pairs16")) roots[i] = pair((uint32_t)next(), (uint32_t)next() & 0xffff);
        if (!strcmp(kind, "text")) roots[i] = (next() & 0x0f0f0f0f0f0f0f0fu) | 0x6060606060606060u;
    }
    for (long i = 0; i < WORDS; i++) hit[i] = page(roots[i]);
    qsort(hit, WORDS, sizeof *hit, by_number);
    long before = (long)mallinfo2().uordblks;
    waste(atol(argv[2]) * (1 << 20) / 64, argv[3]);
    /* These are no better than what they were made of. */
    memset(hit, 0, sizeof hit);
    wipe();
    for (int i = 0; i < 4; i++) gleaner_collect();
    printf("%ld\n", (long)mallinfo2().uordblks - before);
}
