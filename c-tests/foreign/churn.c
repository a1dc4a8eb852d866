// Ranges are adopted, dropped and taken back by four threads while collections run: each cleanup exactly once, none while a pointer is left.
// flags: -pthread
// timeout: 60
// gleaner: checkmark=yes
// args: 20000
#include "foreign.h"
#include <pthread.h>

enum { THREADS = 4, SIZE = 48 };

static size_t count;
static char *arena;
/* The program's only pointers, and what became of each range. */
static void **slots;
static unsigned char *ran, *disowned, *dropped;
static uint64_t *handles;
static int working = THREADS;

static void cleanup(uintptr_t at, size_t size, uintptr_t i) {
    CHECK(size == SIZE && at == (uintptr_t)arena + i * 64);
    CHECK(__atomic_load_n(&dropped[i], __ATOMIC_ACQUIRE));
    __atomic_fetch_add(&ran[i], 1, __ATOMIC_RELAXED);
}

static void *worker(void *arg) {
    size_t me = (uintptr_t)arg, share = count / THREADS, first = me * share;
    uint64_t state = 88172645463325252u + me;
    for (size_t round = 0; round < 2; round++)
        for (size_t n = 0; n < share; n++) {
            size_t i = first + (round ? next_random(&state) % share : n);
            if (!handles[i]) {
                CHECK(gleaner_adopt(arena + i * 64, SIZE, i % 3 ? GLEANER_NOSCAN : GLEANER_SCAN, cleanup, i, &handles[i]) == 0);
                slots[i] = arena + i * 64 + next_random(&state) % SIZE;
                if (i % 3 == 0) *(void **)(arena + i * 64) = slots[i];
            } else if (!dropped[i]) {
                __atomic_store_n(&dropped[i], 1, __ATOMIC_RELEASE);
                slots[i] = 0;
            } else if (!disowned[i]) {
                int status = gleaner_disown(handles[i]);
                CHECK(status == 0 || status == GLEANER_DONE || status == GLEANER_QUEUED);
                disowned[i] = status == 0;
            }
            if (n % 64 == 0) free(malloc(n % 5000));
        }
    __atomic_fetch_sub(&working, 1, __ATOMIC_RELEASE);
    return 0;
}

static void *table(size_t size) {
    void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

int main(int argc, char **argv) {
    if (!gleaner_is_present()) return 0;
    count = argc > 1 ? strtoul(argv[1], 0, 0) / THREADS * THREADS : 1000;
    arena = table(count * 64 + 64), slots = malloc(count * sizeof *slots);
    memset(slots, 0, count * sizeof *slots);
    ran = table(count), disowned = table(count), dropped = table(count), handles = table(count * sizeof *handles);
    pthread_t threads[THREADS];
    CHECK(gleaner_cleanup_thread() == 0);
    for (uintptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], 0, worker, (void *)i) == 0);
    int collections = 0, early = 0;
    while (__atomic_load_n(&working, __ATOMIC_ACQUIRE)) collections += gleaner_collect() == 0, usleep(200);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], 0);
    for (size_t i = 0; i < count; i++) early += ran[i];
    /* What is left: dropped at once. Stale words may hold a few, which are taken back by hand. */
    for (size_t i = 0; i < count; i++) dropped[i] = 1, slots[i] = 0;
    for (int i = 0; i < 4; i++) forget(), gleaner_collect();
    size_t by_hand = 0;
    for (size_t i = 0; i < count; i++)
        if (!disowned[i] && gleaner_disown(handles[i]) == 0) disowned[i] = 1, by_hand++;
    for (size_t i = 0; i < count; i++)
        while (gleaner_disown(handles[i]) != GLEANER_DONE) gleaner_run_cleanups(), usleep(100);
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (ran[i] + disowned[i] != 1) dprintf(2, "range %zu: called %d, taken back %d\n", i, ran[i], disowned[i]);
        CHECK(ran[i] + disowned[i] == 1);
        sum += ran[i];
    }
    if (collects()) CHECK(by_hand <= 64 && sum > count / 2); else CHECK(sum == 0);
    printf("%zu ranges, %zu cleanups, %d of them beside the threads, %d collections, %zu by hand\n", count, sum, early, collections, by_hand);
    return 0;
}
