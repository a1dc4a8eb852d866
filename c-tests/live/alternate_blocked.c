// An alternate stack that only the kernel knows, of a thread that is in a blocking call: no signal frame tells where it is.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

enum { SIZE = 70000, WAYS = 4 };
static int ends[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t ready, handled;

static void on_signal(int signal) {
    char *volatile p = hold(850);
    CHECK(intact(p, 850, 99));
    free(p);
    sem_post(&handled);
}
static NOINLINE void give(int way) {
    char *memory = malloc(SIZE);
    fill(memory, SIZE, way);
    stack_t stack = {.ss_sp = memory, .ss_size = SIZE};
    CHECK(sigaltstack(&stack, NULL) == 0);
}
/* The kernel tells where it is; the end that grew into use is not looked at. */
static NOINLINE void look(int way) {
    stack_t stack;
    CHECK(sigaltstack(NULL, &stack) == 0 && intact(stack.ss_sp, 8000, way));
    CHECK(malloc_usable_size(stack.ss_sp) >= SIZE);
    free(stack.ss_sp);
}
static void *wait_for(void *arg) {
    int way = (long)arg;
    give(way);
    scrub_();
    sem_post(&ready);
    char c;
    struct pollfd set = {.fd = ends[0], .events = POLLIN};
    switch (way) {
    case 0: CHECK(read(ends[0], &c, 1) == 1); break;
    case 1: while (poll(&set, 1, -1) < 0) {} break;
    case 2: while (usleep(10000000) == 0) {} break;
    case 3:
        pthread_mutex_lock(&lock);
        pthread_cond_wait(&cond, &lock);
        pthread_mutex_unlock(&lock);
    }
    look(way);
    return NULL;
}
int main(void) {
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0 && pipe(ends) == 0);
    sem_init(&ready, 0, 0);
    sem_init(&handled, 0, 0);
    pthread_t threads[2 * WAYS];
    for (long i = 0; i < 2 * WAYS; i++) {
        CHECK(pthread_create(&threads[i], NULL, wait_for, (void *)(i % WAYS)) == 0);
        sem_wait(&ready);
    }
    usleep(100000);
    churn();
    for (int i = 0; i < WAYS; i++) {
        CHECK(pthread_kill(threads[i], SIGUSR1) == 0);
        while (sem_wait(&handled) < 0) {}
    }
    churn();
    CHECK(write(ends[1], "12", 2) == 2);
    pthread_join(threads[0], NULL);
    pthread_join(threads[WAYS], NULL);
    pthread_join(threads[2], NULL);
    /* The others still wait when the program ends. */
}
