// Handlers that run in a blocked call are the running program: they allocate, hold, store and jump out while collections run.
// flags: -pthread
// modes: malloc gc
// timeout: 60
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

#define SIZE 777
static volatile int stop, handled, jumps, jumping;
static char *volatile slot;
static sigjmp_buf back;

static void *churn(void *arg) {
    char *kept[64];
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!stop) {
        for (int i = 0; i < 64; i++) memset(kept[i] = malloc(i & 1 ? 6000 : SIZE), 0xee, SIZE);
        for (int i = 0; i < 64; i += 1 + (i & 1)) free(kept[i]);
        usleep(300);
    }
    return NULL;
}
/* Takes the object out of the only place that knows it, keeps it in a register while others collect,
 * and puts a copy of it back. */
static void tick(int signal, siginfo_t *info, void *context) {
    CHECK(signal == SIGALRM || signal == SIGUSR1);
    int saved = errno;
    char *mine = slot;
    slot = NULL;
    struct timespec t, start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do clock_gettime(CLOCK_MONOTONIC, &t);
    while ((t.tv_sec - start.tv_sec) * 1000000000L + t.tv_nsec - start.tv_nsec < 2000000);
    CHECK(intact(mine, SIZE, 5));
    char *copy = malloc(SIZE);
    memcpy(copy, mine, SIZE);
    free(mine);
    slot = copy;
    handled++;
    errno = saved;
    if (jumping && handled % 2) {
        jumps++;
        siglongjmp(back, 1);
    }
}
static void block(int which, int ends[2]) {
    struct timespec t = {2, 0};
    struct timeval tv = {2, 0};
    char byte;
    fd_set set;
    sigset_t none;
    sigemptyset(&none);
    switch (which % 7) {
    case 0: CHECK(poll(NULL, 0, 2000) == -1 && errno == EINTR); break;
    case 1: CHECK(nanosleep(&t, &t) == -1 && errno == EINTR && t.tv_sec == 1); break;
    case 2: CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR); break;
    case 3: CHECK(pause() == -1 && errno == EINTR); break;
    case 4: FD_ZERO(&set); FD_SET(ends[0], &set); CHECK(select(ends[0] + 1, &set, NULL, NULL, &tv) == -1 && errno == EINTR); break;
    case 5: CHECK(sleep(3) > 0); break;
    case 6: CHECK(sigsuspend(&none) == -1 && errno == EINTR); break;
    }
}
int main(void) {
    pthread_t t;
    int ends[2];
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0 && pipe(ends) == 0);
    slot = malloc(SIZE);
    fill(slot, SIZE, 5);
    struct sigaction act = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO}, old;
    CHECK(sigaction(SIGALRM, &act, NULL) == 0 && sigaction(SIGALRM, NULL, &old) == 0);
    CHECK(old.sa_sigaction == tick && (old.sa_flags & SA_SIGINFO));
    for (int i = 0; i < 70; i++) {
        jumping = i >= 35;
        /* Again and again: one that comes just before the call is made interrupts nothing. */
        struct itimerval every = {{0, 20000}, {0, 10000}}, never = {{0, 0}, {0, 0}};
        int before = handled;
        CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
        if (sigsetjmp(back, 1) == 0) block(i, ends);
        CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && handled > before);
        CHECK(intact(slot, SIZE, 5));
    }
    CHECK(jumps > 0);
    stop = 1;
    pthread_join(t, NULL);
}
