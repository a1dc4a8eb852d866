// A handler that comes between any two instructions of malloc and free allocates and frees.
// modes: malloc gc
// native: no
// flags: -mno-red-zone
// gleaner[gc]: limbo=1:disguised=no
// timeout: 60
#include "check.h"
#include <malloc.h>
#include <signal.h>

enum { N = 300, SPARE = 2000 };
int gleaner_collect(void) __attribute__((weak));
static void collect(void) {
    int why = gleaner_collect();
    CHECK(why == 0 || why == ENOSYS);
}
static size_t size;
static void *held[N];
static long steps, nested, give_at;
static int given;
static char *spare[SPARE];

static void step(int on) {
    __asm__ volatile("pushfq\n andq $~0x100, (%%rsp)\n or %0, (%%rsp)\n popfq" : : "r"(on ? 0x100l : 0l) : "memory", "cc");
}
/* libc's allocator serves what interrupts a slow path: its blocks have another length. */
static int is_nested(void) {
    void *large = OPAQUE(malloc(100000));
    int libcs = malloc_usable_size(large) == 100008;
    free(large);
    return libcs;
}
static void trap(int signal) {
    steps++;
    if (given) return;
    char *p = malloc(size);
    CHECK(p != NULL);
    for (int i = 0; i < N; i++) CHECK(p != held[i]);
    memset(p, 0xee, size);
    if (steps % 8 == 0) {
        CHECK((p = realloc(p, 4 * size)) != NULL);
        for (size_t i = 0; i < size; i++) CHECK((unsigned char)p[i] == 0xee);
    }
    free(p);
    if (give_at != 0 && is_nested() && ++nested == give_at) {
        give_at = 0;
        given = 1;
        for (int i = 0; i < SPARE; i++) free(spare[i]), spare[i] = NULL;
    }
}
static void whole(void) {
    for (int i = 0; i < N; i++) CHECK(held[i] == NULL || intact(held[i], size, i));
}
/* The bin grows, is filled from spans, and gives slots back to them. */
static void there_and_back(void) {
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            step(1);
            void *p = malloc(size);
            step(0);
            CHECK(p != NULL);
            for (int k = 0; k < N; k++) CHECK(p != held[k]);
            fill(held[i] = p, size, i);
        }
        whole();
        for (int i = 0; i < N; i++) {
            void *p = held[i];
            held[i] = NULL;
            step(1);
            free(p);
            step(0);
        }
    }
}
/* What fills a bin in a handler that interrupts a slow path comes back later, and is not collected meanwhile. False: it took fewer steps. */
static int filled(int at) {
    for (int i = 0; i < SPARE; i++) fill(spare[i] = malloc(2000), 2000, i);
    for (int i = 0; i < SPARE; i++) CHECK(intact(spare[i], 2000, i));
    nested = 0;
    give_at = at;
    step(1);
    void *large = OPAQUE(malloc(300000 + 4096 * (size_t)at));
    step(0);
    if (given) collect();
    given = 0;
    free(large);
    if (give_at != 0) return give_at = 0;
    for (int i = 0; i < SPARE; i++) fill(spare[i] = malloc(2000), 2000, i + 1);
    for (int i = 0; i < SPARE; i++) CHECK(intact(spare[i], 2000, i + 1));
    for (int i = 0; i < SPARE; i++) free(spare[i]);
    return 1;
}
int main(void) {
    struct sigaction action = {.sa_handler = trap};
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    size = 48;
    there_and_back();
    size = 3000;
    there_and_back();
    size = 20;
    int at = 1;
    while (at < 400 && filled(at)) at += 31;
    CHECK(at > 100);
    whole();
    CHECK(steps > 10000);
}
