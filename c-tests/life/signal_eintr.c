// Calls that the program's own signals interrupt fail with EINTR as ever, while collections run.
// flags: -pthread
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static volatile int stop, ticks, urgent;
static void tick(int signal) { ticks++; }
static void urge(int signal) { urgent++; }
static void *churn(void *arg) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    char *kept[64];
    while (!stop) {
        /* Many at a time, or the slow paths that collect are never taken. */
        for (int i = 0; i < 64; i++) kept[i] = malloc(6000);
        for (int i = 0; i < 64; i++) free(kept[i]);
        usleep(500);
    }
    return NULL;
}
static pthread_t first;
static void *prod(void *arg) {
    for (int i = 0; !urgent; i++) usleep(100000), pthread_kill(first, SIGURG);
    return NULL;
}
int main(void) {
    pthread_t t, p;
    int ends[2];
    char byte;
    first = pthread_self();
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0 && pipe(ends) == 0);
    struct sigaction act = {.sa_handler = tick}, urg = {.sa_handler = urge};
    CHECK(sigaction(SIGALRM, &act, NULL) == 0 && sigaction(SIGURG, &urg, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        // Again and again: one that comes just before the call is made interrupts nothing.
        struct itimerval every = {{0, 30000}, {0, 30000}}, never = {{0, 0}, {0, 0}};
        struct timespec rest, ts = {5, 0};
        int before = ticks;
        CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
        switch (i % 4) {
        case 0: CHECK(poll(NULL, 0, 5000) == -1 && errno == EINTR); break;
        case 1: CHECK(nanosleep(&ts, &rest) == -1 && errno == EINTR && rest.tv_sec == 4); break;
        case 2: CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR); break;
        case 3: CHECK(pause() == -1 && errno == EINTR); break;
        }
        CHECK(ticks > before && setitimer(ITIMER_REAL, &never, NULL) == 0);
    }
    CHECK(pthread_create(&p, NULL, prod, NULL) == 0);
    CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR && urgent >= 1);
    pthread_join(p, NULL);
    stop = 1;
    pthread_join(t, NULL);
}
