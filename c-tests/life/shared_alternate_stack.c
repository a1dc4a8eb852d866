// All threads have one and the same alternate signal stack, meant for the crash of one of them; they
// are stopped at the same time all the same.
// gleaner: collect_every=256k:limbo=1
// flags: -pthread
// timeout: 30
#include "check.h"
#include <pthread.h>
#include <signal.h>

enum { THREADS = 6, ROUNDS = 200 };
static char shared[64 << 10];

static long work(long depth, long seed) {
    long volatile here[16];
    for (int i = 0; i < 16; i++) here[i] = seed + i;
    char *p = malloc(40000);
    CHECK(p != NULL);
    p[0] = seed;
    // Mostly outside of the library, where a thread is stopped by the signal.
    for (int i = 0; i < 5000; i++) here[i % 16] = seed + i % 16;
    long deeper = depth ? work(depth - 1, seed + 1) : 0;
    CHECK(p[0] == (char)seed);
    free(p);
    for (int i = 0; i < 16; i++) CHECK(here[i] == seed + i);
    return deeper + here[3];
}
static void *run(void *arg) {
    stack_t stack = {.ss_sp = shared, .ss_size = sizeof shared}, now;
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == shared && now.ss_size == sizeof shared && now.ss_flags == 0);
    long sum = 0;
    for (int i = 0; i < ROUNDS; i++) sum += work(10, i);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, &now) == 0 && now.ss_sp == shared);
    return (void *)sum;
}

int main(void) {
    pthread_t threads[THREADS];
    void *sum, *first = NULL;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, run, NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], &sum) == 0);
        CHECK(i == 0 || sum == first);
        first = sum;
    }
}
