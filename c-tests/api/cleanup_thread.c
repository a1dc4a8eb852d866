// The cleanups' thread calls them as they fall due, with all signals blocked, while the thread that frees holds a lock that they want.
// native: no
// flags: -pthread
#include "check.h"
#include <gleaner.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static int called, blocked;

static void count(uintptr_t address, size_t size, uintptr_t main_thread) {
    sigset_t now;
    pthread_mutex_lock(&lock);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    blocked = sigismember(&now, SIGINT) && sigismember(&now, SIGTERM) && sigismember(&now, SIGURG);
    CHECK(!pthread_equal(pthread_self(), (pthread_t)main_thread));
    called++;
    pthread_cond_signal(&some);
    pthread_mutex_unlock(&lock);
}
static void rounds(int n) {
    CHECK(gleaner_cleanup_thread() == 0);
    called = 0;
    for (int i = 0; i < n; i++) {
        char *p = malloc(100);
        CHECK(gleaner_add_cleanup(p, count, (uintptr_t)pthread_self(), 0, NULL) == 0);
        pthread_mutex_lock(&lock);
        free(p);
        usleep(i < 3 ? 2000 : 0);
        CHECK(called == i);
        while (called == i) pthread_cond_wait(&some, &lock);
        pthread_mutex_unlock(&lock);
        if (i % 50 == 0) gleaner_collect();
    }
    CHECK(blocked);
}
int main(void) {
    rounds(200);
    pid_t child = fork();
    if (child == 0) {
        rounds(50);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    rounds(10);
    return 0;
}
