// The stop signal, sent to the process by the program itself, reaches whichever thread waits for it or does not block it.
// flags: -pthread -D_GNU_SOURCE
// gleaner: collect_every=256k:limbo=1
// timeout: 20
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

static volatile int over;
static _Atomic int taken, handled;
static pthread_t open_one;
static sigset_t all, urgent;

static void note(int signal) {
    if (!pthread_equal(pthread_self(), open_one)) { dprintf(2, "in %d of %d handled %d\n", gettid(), getpid(), handled); abort(); }
    handled++;
}
static void until(_Atomic int *counter, int wanted) {
    for (int i = 0; i < 20000 && *counter < wanted; i++) usleep(200);
    CHECK(*counter == wanted);
}
static void *churn(void *arg) {
    while (!over) {
        for (int i = 0; i < 100; i++) free(malloc(5000));
        usleep(100);
    }
    return arg;
}
static void *spin(void *arg) {
    while (!over) __builtin_ia32_pause();
    return arg;
}
static void *take(void *arg) {
    int got;
    for (;;) {
        CHECK(sigwait(&all, &got) == 0);
        if (got == SIGTERM) return arg;
        CHECK(got == SIGURG);
        taken++;
    }
}
static void *stay_open(void *arg) {
    CHECK(pthread_sigmask(SIG_UNBLOCK, &urgent, NULL) == 0);
    handled += 0;
    taken++;
    while (!over) usleep(1000);
    return arg;
}

int main(void) {
    pthread_t t[3], waiter;
    sigfillset(&all);
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    signal(SIGURG, note);
    // The usual server: every thread blocks everything, one of them waits.
    CHECK(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    CHECK(pthread_create(&t[0], NULL, churn, NULL) == 0 && pthread_create(&t[1], NULL, spin, NULL) == 0);
    CHECK(pthread_create(&waiter, NULL, take, NULL) == 0);
    for (int i = 1; i <= 50; i++) {
        CHECK(kill(getpid(), SIGURG) == 0);
        until(&taken, i);
    }
    CHECK(kill(getpid(), SIGTERM) == 0 && pthread_join(waiter, NULL) == 0);

    // Nobody takes it: it waits for the process, once.
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGURG));
    CHECK(kill(getpid(), SIGURG) == 0 && kill(getpid(), SIGURG) == 0);
    usleep(20000);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGURG) && handled == 0);
    taken = 0;
    CHECK(pthread_create(&open_one, NULL, stay_open, NULL) == 0);
    until(&handled, 1);
    until(&taken, 1);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGURG));
    // The one that does not block it gets it, however it is sent.
    for (int i = 2; i <= 50; i++) {
        CHECK(kill(getpid(), SIGURG) == 0);
        until(&handled, i);
    }
    // Sent to this thread, it waits for this thread.
    CHECK(raise(SIGURG) == 0);
    usleep(20000);
    CHECK(handled == 50 && sigpending(&pending) == 0 && sigismember(&pending, SIGURG));
    struct timespec now = {0, 0};
    CHECK(sigtimedwait(&urgent, NULL, &now) == SIGURG);
    over = 1;
    for (int i = 0; i < 2; i++) CHECK(pthread_join(t[i], NULL) == 0);
    CHECK(pthread_join(open_one, NULL) == 0 && handled == 50);
}
