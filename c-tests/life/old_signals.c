// The signal functions of BSD and System V on the stop signal: as natively, and the process can still be stopped.
// modes: malloc gc
// flags: -pthread -Wno-deprecated-declarations
// gleaner: collect_every=256k:limbo=1
// gleaner[gc]: collect_every=256k:limbo=1:stats=1:deadline=10000
// stderr[gc]: ...
// stderr[gc]: gleaner: gc: cycles *, abandoned 0
// stderr[gc]: ...
#include "check.h"
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <time.h>


extern int __sigpause(int mask, int is_signal), __xpg_sigpause(int signal);
#define BIT(signal) (1 << ((signal)-1))
static volatile int urgent, stop;
static void urge(int signal) { urgent++; }
static int blocked(int signal) {
    sigset_t now;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
    return sigismember(&now, signal);
}
static void *later(void *first) {
    usleep(100000);
    pthread_kill(*(pthread_t *)first, SIGURG);
    return NULL;
}
/* The signal is blocked by every means; spins, so that only the signal can stop the thread. */
static void *spin(void *how) {
    sigset_t all;
    sigfillset(&all);
    switch ((long)how) {
    case 0: sighold(SIGURG); break;
    case 1: sigset(SIGURG, SIG_HOLD); break;
    case 2: sigblock(~0); break;
    case 3: sigsetmask(~0); break;
    case 4: break; /* by its attributes */
    case 5: sigprocmask(SIG_SETMASK, &all, NULL); break;
    }
    CHECK(blocked(SIGURG));
    while (!stop) {}
    CHECK(blocked(SIGURG));
    return NULL;
}
int main(void) {
    pthread_t first = pthread_self(), t, spinners[6];
    CHECK(signal(SIGURG, urge) == SIG_DFL);
    CHECK(sighold(SIGURG) == 0 && blocked(SIGURG) && !blocked(SIGUSR1));
    raise(SIGURG);
    CHECK(urgent == 0 && sigrelse(SIGURG) == 0 && urgent == 1 && !blocked(SIGURG));
    CHECK(sighold(SIGUSR1) == 0 && blocked(SIGUSR1) && sigrelse(SIGUSR1) == 0 && !blocked(SIGUSR1));
    CHECK(sighold(1000) == -1 && errno == EINVAL && sigrelse(0) == -1 && errno == EINVAL);
    CHECK(sigblock(BIT(SIGURG) | BIT(SIGUSR2)) == 0 && sigblock(0) == (BIT(SIGURG) | BIT(SIGUSR2)));
    raise(SIGURG);
    CHECK(urgent == 1 && sigsetmask(BIT(SIGUSR2)) == (BIT(SIGURG) | BIT(SIGUSR2)) && urgent == 2);
    CHECK(sigblock(0) == BIT(SIGUSR2) && sigsetmask(0) == BIT(SIGUSR2));

    /* Held, then waited for: the wait ends at once. */
    sighold(SIGURG);
    raise(SIGURG);
    CHECK(__sigpause(0, 0) == -1 && errno == EINTR && urgent == 3 && blocked(SIGURG));
    raise(SIGURG);
    CHECK(__xpg_sigpause(SIGURG) == -1 && errno == EINTR && urgent == 4 && blocked(SIGURG));
    raise(SIGURG);
    sigset_t none;
    sigemptyset(&none);
    struct timespec long_time = {5, 0};
    CHECK(ppoll(NULL, 0, &long_time, &none) == -1 && errno == EINTR && urgent == 5 && blocked(SIGURG));
    /* Sent while it waits. */
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&t, NULL, later, &first) == 0);
        CHECK((i ? i > 1 ? ppoll(NULL, 0, &long_time, &none) : __xpg_sigpause(SIGURG) : __sigpause(0, 0)) == -1);
        CHECK(errno == EINTR && urgent == 6 + i && blocked(SIGURG));
        pthread_join(t, NULL);
    }
    sigrelse(SIGURG);
    CHECK(sigignore(SIGURG) == 0);
    raise(SIGURG);
    CHECK(urgent == 8 && signal(SIGURG, urge) == SIG_IGN);

    pthread_attr_t attributes;
    sigset_t urg, got;
    sigemptyset(&urg);
    sigaddset(&urg, SIGURG);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setsigmask_np(&attributes, &urg) == 0);
    CHECK(pthread_attr_getsigmask_np(&attributes, &got) == 0 && sigismember(&got, SIGURG));
    for (long i = 0; i < 6; i++) CHECK(pthread_create(&spinners[i], i == 4 ? &attributes : NULL, spin, (void *)i) == 0);
    usleep(50000);
    char *kept[64];
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 64; i++) kept[i] = malloc(6000);
        for (int i = 0; i < 64; i++) free(kept[i]);
    }
    stop = 1;
    for (int i = 0; i < 6; i++) pthread_join(spinners[i], NULL);
    CHECK(!blocked(SIGURG));
}
