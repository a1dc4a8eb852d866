// What is attached to objects moves with them when realloc does, every cleanup and handle of several, wherever it goes.
// native: no
// gleaner: min_growth=1g
#include "check.h"
#include <gleaner.h>

enum { N = 20000, EACH = 3 };
static char *objects[N];
static uint64_t handles[N];
static uintptr_t bases[N];
static int called[N];

static void count(uintptr_t address, size_t size, uintptr_t number) {
    CHECK(size != 0 && address == bases[number]);
    called[number]++;
}
static void promise(char *p, int number) {
    for (int i = 0; i < EACH; i++) CHECK(gleaner_add_cleanup(p, count, number, 0, NULL) == 0);
    CHECK(gleaner_weak_make(p + 5, &handles[number]) == 0);
}
static void end(char *p, int number) {
    CHECK(gleaner_weak_get(handles[number]) == p + 5);
    bases[number] = (uintptr_t)p;
    free(p);
    CHECK(gleaner_weak_get(handles[number]) == NULL && gleaner_weak_drop(handles[number]) == 0);
}

int main(void) {
    for (int i = 0; i < N; i++) promise(objects[i] = malloc(40), i);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < N; i++) objects[i] = realloc(objects[i], round % 2 ? 40 : 300);
    for (int i = 0; i < N; i++) end(objects[i], i);
    CHECK(gleaner_run_cleanups() == N * EACH);
    for (int i = 0; i < N; i++) CHECK(called[i] == EACH);
    /* Large ones grow where they are, move with their pages, or are copied. */
    char *large = malloc(200000);
    promise(large, 0);
    for (int i = 0; i < 60; i++) large = realloc(large, 200000 + (size_t)i * 777777 % 50000000);
    end(large, 0);
    CHECK(gleaner_run_cleanups() == EACH);
    struct gleaner_figures figures;
    CHECK(gleaner_stats(&figures, sizeof figures) == 0 && figures.cleanups_promised == 0);
    return 0;
}
