// A hundred thousand handles and cleanups of one object: each is made, found, dropped and cancelled as fast as if it were the only one.
// native: no
// timeout: 20
#include "check.h"
#include <gleaner.h>

enum { N = 100000, STEP = 16 };
static uint64_t handles[N], cleanups[N];
static int called;

static void count(uintptr_t address, size_t size, uintptr_t argument) { called++; }

int main(void) {
    char *arena = malloc(N * STEP), *other = malloc(10);
    for (int i = 0; i < N; i++) {
        CHECK(gleaner_weak_make(arena + i * STEP, &handles[i]) == 0);
        CHECK(gleaner_add_cleanup(arena, count, 0, 0, &cleanups[i]) == 0);
    }
    for (int i = 0; i < N; i++) {
        uint64_t again;
        CHECK(gleaner_weak_make(arena + i * STEP, &again) == 0 && again == handles[i]);
        CHECK(gleaner_weak_drop(again) == 0);
    }
    CHECK(gleaner_add_cleanup(other, count, 0, 0, NULL) == 0);
    arena = realloc(arena, N * STEP * 2);
    /* Every other one goes. */
    for (int i = 0; i < N; i += 2) {
        CHECK(gleaner_weak_drop(handles[i]) == 0 && gleaner_weak_get(handles[i]) == NULL);
        CHECK(gleaner_cancel(cleanups[i]) == 0 && gleaner_cancel(cleanups[i]) == GLEANER_DONE);
    }
    for (int i = 1; i < N; i += 2) CHECK(gleaner_weak_get(handles[i]) == arena + i * STEP);
    free(arena);
    for (int i = 1; i < N; i += 2) CHECK(gleaner_weak_get(handles[i]) == NULL && gleaner_weak_drop(handles[i]) == 0);
    CHECK(gleaner_run_cleanups() == N / 2 && called == N / 2);
    free(other);
    CHECK(gleaner_run_cleanups() == 1);
    return 0;
}
