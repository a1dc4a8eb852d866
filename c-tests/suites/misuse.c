// Misuse of memory, a case a run: `misuse NAME SIZE`. Without arguments: the list, a line each, `NAME SIZE LEVEL`, where LEVEL is the
// lowest `secure` level that must end the program by a signal, at the latest when it exits. scripts/misuse runs them all.
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

void *_Znwm(size_t), *_Znam(size_t);
void _ZdlPv(void *), _ZdaPv(void *), _ZdlPvm(void *, size_t);

static size_t n;
static char global[1 << 14] __attribute__((aligned(4096)));

static char *get(size_t size) { return OPAQUE((char *)malloc(size)); }
static void *release(void *p) {
    free(p);
    return NULL;
}
static void elsewhere(void *(*f)(void *), void *p) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, f, p) == 0 && pthread_join(t, NULL) == 0);
}
// The volatile store of a byte, which no compiler takes for a mistake.
static void poke(char *p, long at, char value) { *(volatile char *)(OPAQUE(p) + at) = value; }
static void flip(char *p, long at) { *(volatile char *)(OPAQUE(p) + at) ^= 'A'; }
static void again(int times) {
    for (int i = 0; i < times; i++) free(get(n));
}
static void take(int times) {
    for (int i = 0; i < times; i++) get(n);
}
static void lost(const char *what) {
    if (what) dprintf(1, "%s\n", what);
    dprintf(1, "not caught\n");
    exit(0);
}

#define CASE(name) static void name(void)
/* Freed twice. */
CASE(twice) { char *p = get(n); free(p); free(OPAQUE(p)); }
CASE(twice_after_another) { char *p = get(n), *q = get(n); free(p); free(q); free(OPAQUE(p)); }
CASE(twice_after_many) {
    static char *v[1000];
    for (int i = 0; i < 1000; i++) v[i] = get(n);
    for (int i = 0; i < 1000; i++) free(v[i]);
    free(OPAQUE(v[10]));
}
CASE(twice_later) { char *p = get(n); free(p); again(1000); free(OPAQUE(p)); }
CASE(twice_reused) { char *p = get(n); free(p); char *q = get(n); free(OPAQUE(p)); free(OPAQUE(q)); }
CASE(twice_in_thread) { char *p = get(n); free(p); elsewhere(release, p); }
CASE(twice_by_threads) { char *p = get(n); elsewhere(release, p); elsewhere(release, p); }
CASE(twice_after_thread) { char *p = get(n); elsewhere(release, p); free(OPAQUE(p)); }
CASE(twice_written) { char *p = get(n); free(p); memset(OPAQUE(p), 0, 16); free(OPAQUE(p)); }
CASE(twice_calloc) { char *p = OPAQUE(calloc(1, n)); free(p); free(OPAQUE(p)); }
CASE(twice_aligned) { char *p = OPAQUE(memalign(64, n)); free(p); free(OPAQUE(p)); }
CASE(twice_page_aligned) { char *p = OPAQUE(memalign(4096, n)); free(p); free(OPAQUE(p)); }
CASE(twice_realloc) { char *p = OPAQUE(realloc(get(n), n + n / 4)); free(p); free(OPAQUE(p)); }
CASE(twice_realloc_null) { char *p = get(n); CHECK(realloc(p, 0) == NULL); free(OPAQUE(p)); }
CASE(twice_trimmed) { char *p = get(n); free(p); malloc_trim(0); free(OPAQUE(p)); }
CASE(free_moved) {
    char *p = get(n), *q = OPAQUE(realloc(p, 10 * n + 500000));
    if (q == p) abort();
    free(OPAQUE(p));
}
CASE(twice_delete) { char *p = OPAQUE(_Znwm(n)); _ZdlPv(p); _ZdlPv(OPAQUE(p)); }
/* No block. */
CASE(inside_16) { free(get(n) + 16); }
CASE(inside_8) { free(get(n) + 8); }
CASE(inside_1) { free(get(n) + 1); }
CASE(inside_middle) { free(get(n) + (n + 16) / 32 * 16); }
CASE(behind) { char *p = get(n); free(p + (n + 15) / 16 * 16); }
CASE(before_16) { free(get(n) - 16); }
CASE(page_behind) { free(get(n) + 4096); }
CASE(gigabyte_behind) { free(get(n) + (1l << 30)); }
CASE(inside_aligned) { free((char *)OPAQUE(memalign(4096, n)) + 64); }
CASE(stack) { char b[256]; free(OPAQUE((char *)(((uintptr_t)b + 63) & ~63ul))); }
CASE(stack_odd) { char b[256]; free(OPAQUE(b) + 1); }
CASE(stack_dressed) {
    uintptr_t b[64] __attribute__((aligned(16)));
    for (int i = 0; i < 64; i++) b[i] = 0x41;
    free(OPAQUE((void *)(b + 2)));
}
CASE(of_image) { free(OPAQUE((void *)(global + 64))); }
CASE(of_image_page) { free(OPAQUE((void *)(global + 4096))); }
CASE(literal) { free(OPAQUE((void *)"a string of some length")); }
CASE(code) { free(OPAQUE((void *)code)); }
CASE(mapping) { free(OPAQUE(mmap(NULL, 1 << 16, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))); }
CASE(unmapped) {
    char *p = OPAQUE(mmap(NULL, 1 << 16, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    munmap(p, 1 << 16);
    free(p);
}
CASE(number) { free(OPAQUE((void *)16)); }
CASE(odd_number) { free(OPAQUE((void *)1)); }
CASE(text) { free(OPAQUE((void *)0x4141414141414141)); }
/* realloc and its kin. */
CASE(realloc_freed) { char *p = get(n); free(p); OPAQUE(realloc(p, 2 * n)); }
CASE(realloc_freed_same) { char *p = get(n); free(p); OPAQUE(realloc(OPAQUE(p), n)); }
CASE(realloc_inside) { OPAQUE(realloc(get(n) + 16, 2 * n)); }
CASE(realloc_image) { OPAQUE(realloc(OPAQUE((void *)(global + 64)), n)); }
CASE(realloc_stack) { char b[256]; OPAQUE(realloc(OPAQUE((char *)(((uintptr_t)b + 63) & ~63ul)), n)); }
CASE(reallocarray_freed) { char *p = get(n); free(p); OPAQUE(reallocarray(OPAQUE(p), 3, n)); }
CASE(size_freed) { char *p = get(n); free(p); OPAQUE(malloc_usable_size(OPAQUE(p))); }
CASE(size_inside) { OPAQUE(malloc_usable_size(get(n) + 16)); }
CASE(size_image) { OPAQUE(malloc_usable_size(OPAQUE((void *)(global + 64)))); }
/* Written past an end. */
CASE(over_1) { char *p = get(n); flip(p, n); free(p); }
CASE(over_1_zero) { char *p = get(n); flip(p, n), poke(p, n, 0); free(p); }
CASE(over_8) { char *p = get(n); flip(p, n + 7); free(p); }
CASE(over_32) { char *p = get(n); flip(p, n + 31); free(p); }
CASE(over_32_all) { char *p = get(n), *q = get(n); for (int i = 0; i < 32; i++) flip(p, n + i); free(q); free(p); }
CASE(over_kept) { char *p = get(n); flip(p, n); again(10); exit(0); }
CASE(over_realloc) { char *p = get(n); flip(p, n); OPAQUE(realloc(p, 3 * n)); }
CASE(over_calloc) { char *p = OPAQUE(calloc(n, 1)); flip(p, n); free(p); }
CASE(over_aligned) { char *p = OPAQUE(memalign(64, n)); flip(p, n); free(p); }
CASE(over_grown) { char *p = OPAQUE(realloc(get(n), n + 5)); flip(p, n + 5); free(p); }
CASE(over_in_thread) { char *p = get(n); flip(p, n); elsewhere(release, p); }
CASE(over_megabyte) { char *p = get(n); flip(p, n + (1 << 20)); free(p); }
CASE(over_all) { char *p = get(n); for (long i = 0; i < 1 << 21; i++) poke(p, n + i, 'A'); free(p); }
CASE(under_1) { char *p = get(n); flip(p, -1); free(p); }
CASE(under_16) { char *p = get(n), *q = get(n); flip(q, -16); free(q); free(p); }
CASE(under_megabyte) { char *p = get(n); flip(p, -(1 << 20)); free(p); }
/* Used after free. */
CASE(write_freed) { char *p = get(n); free(p); memset(OPAQUE(p), 'A', n); take(3); }
CASE(write_freed_16) { char *p = get(n), *q = get(n); free(p); free(q); memset(OPAQUE(q), 'A', 16); take(3); }
CASE(write_freed_late) { char *p = get(n); free(p); flip(p, n - 1); again(2000); take(100); }
CASE(write_freed_many) {
    static char *v[3000];
    int most = n > 10000 ? 100 : 3000;
    for (int i = 0; i < most; i++) v[i] = get(n);
    for (int i = 0; i < most; i++) free(v[i]);
    for (int i = 0; i < most; i += 7) memset(OPAQUE(v[i]), 'A', 16);
    take(2 * most);
}
CASE(write_link) {
    char *p = get(n), *q = get(n);
    free(p), free(q);
    *(void **)OPAQUE(q) = global + 64;
    for (int i = 0; i < 3; i++)
        if (get(n) == global + 64) lost("the forged address was handed out");
}
CASE(write_freed_end) { char *p = get(n); free(p); flip(p, n / 2); exit(0); }
CASE(read_freed) {
    char *p = get(n);
    memset(p, 'S', n);
    free(p);
    if (OPAQUE(p)[n / 2] != 'S') abort();
}
CASE(read_fresh) {
    for (int i = 0; i < 8; i++) {
        char *p = get(n);
        memset(p, 'S', n);
        free(p);
    }
    for (int i = 0; i < 8; i++)
        if (get(n)[n / 2] == 'S') return;
    abort();
}
CASE(reused_at_once) { char *p = get(n); free(p); if (get(n) != p) abort(); }
CASE(write_nothing) { char *p = get(0); poke(p, 0, 'A'); free(p); }
CASE(read_nothing) { char *p = get(0); OPAQUE(*(volatile char *)p); free(p); }
/* new and delete. */
CASE(new_free) { free(OPAQUE(_Znwm(n))); }
CASE(malloc_delete) { _ZdlPv(get(n)); }
CASE(new_delete_array) { _ZdaPv(OPAQUE(_Znwm(n))); }
CASE(new_array_delete) { _ZdlPv(OPAQUE(_Znam(n))); }
CASE(delete_other_size) { _ZdlPvm(OPAQUE(_Znwm(n)), n + 8); }

static const size_t sizes[] = {24, 200, 4096, 20000, 300000};
enum { SIZES = sizeof sizes / sizeof *sizes };
/* The level for each size. */
static const struct {
    const char *name, *levels;
    void (*run)(void);
} cases[] = {
#define ROW(name, levels) {#name, levels, name}
#include "misuse.levels"
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc == 1)
            for (int k = 0; k < SIZES; k++)
                if (cases[i].levels[k] != ' ') printf("%s %zu %c\n", cases[i].name, sizes[k], cases[i].levels[k]);
        if (argc == 3 && !strcmp(argv[1], cases[i].name)) {
            n = strtoul(argv[2], NULL, 10);
            cases[i].run();
            lost(NULL);
        }
    }
    return argc != 1;
}
