// A server that holds 50 MB live in a table of connections, and forgets 100 MB of requests a second.
//
//     leaky_server SECONDS [MB/s]
//
// It serves for so long, looks at every live record again and again, and prints its greatest resident
// size. Of two requests it frees one, as programs do that leak.
#include "check.h"
#include <pthread.h>
#include <time.h>

#ifndef CONNECTIONS
#define CONNECTIONS 25000 /* 50 MB; scripts/bench gc wants ten times that */
#endif
enum { RECORD = 2000, THREADS = 2 };
struct connection { uint64_t id; char *record; };
static struct connection *table[CONNECTIONS];
static double until;
static long per_second = 100;
static _Atomic long leaked;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void replace(uint64_t slot, uint64_t id) {
    struct connection *c = malloc(sizeof *c);
    CHECK(c && (c->record = malloc(RECORD)));
    c->id = id;
    fill(c->record, RECORD, id);
    if (table[slot]) {
        CHECK(intact(table[slot]->record, RECORD, table[slot]->id));
        free(table[slot]->record);
        free(table[slot]);
    }
    table[slot] = c;
}
/* One request: some blocks that point to each other; the caller forgets them. */
static size_t request(uint64_t *r) {
    size_t sum = 0;
    void **last = NULL;
    for (int i = 0; i < 10; i++) {
        size_t size = 32 + next_random(r) % 2000;
        void **p = malloc(size);
        CHECK(p != NULL);
        memset(p, 0x5a, size);
        *p = last;
        last = p;
        sum += size;
        free(malloc(size));
    }
    return sum;
}
static void *serve(void *arg) {
    uint64_t r = (uintptr_t)arg * 7919 + 1, own = (uintptr_t)arg;
    double start = now();
    for (long done = 0; now() < until;) {
        long before = done;
        for (int i = 0; i < 20; i++) done += request(&r);
        leaked += done - before;
        uint64_t slot = (next_random(&r) % (CONNECTIONS / THREADS)) * THREADS + own;
        replace(slot, next_random(&r));
        double ahead = done / (per_second * 1e6 / THREADS) - (now() - start);
        if (ahead > 0.002) usleep(ahead * 1e6);
    }
    return NULL;
}
int main(int argc, char **argv) {
    long seconds = argc > 1 ? atol(argv[1]) : 10;
    if (argc > 2) per_second = atol(argv[2]);
    for (uint64_t i = 0; i < CONNECTIONS; i++) replace(i, i);
    until = now() + seconds;
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, serve, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < CONNECTIONS; i++) CHECK(intact(table[i]->record, RECORD, table[i]->id));
    printf("leaked %ld MB in %ld s, max RSS %ld MB\n", leaked / 1000000, seconds, status_kib("VmHWM") * 1024 / 1000000);
}
