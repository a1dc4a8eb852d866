// Preloaded beside the library: a thread that collects every PERIOD_MS, or as often as leaves the program three quarters of
// the time. So every program has a second thread, and is stopped wherever it happens to be.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static int (*collect)(void);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void *tick(void *arg) {
    for (double rest = PERIOD_MS / 1e3;;) {
        struct timespec t = {(time_t)rest, (long)((rest - (time_t)rest) * 1e9)};
        nanosleep(&t, NULL);
        double begun = now();
        collect();
        rest = (now() - begun) * 3;
        if (rest < PERIOD_MS / 1e3) rest = PERIOD_MS / 1e3;
    }
    return arg;
}
__attribute__((constructor)) static void begin(void) {
    collect = (int (*)(void))dlsym(RTLD_DEFAULT, "gleaner_collect");
    if (!collect) return;
    sigset_t all, before;
    pthread_t t;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&t, NULL, tick, NULL) == 0) pthread_detach(t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
