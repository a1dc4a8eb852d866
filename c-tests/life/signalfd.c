// A signalfd for the stop signal, as PostgreSQL wakes its processes with: it gets every signal that
// the program sends, none of the collector's, and what else was set up for the signal stays.
// gleaner: collect_every=256k:limbo=1
// flags: -pthread
// timeout: 20
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static volatile int urgent, resized;
static void urge(int signal) { urgent++; }
static void resize(int signal) { resized++; }
static int blocked(int signal) {
    sigset_t now;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    return sigismember(&now, signal);
}
static void churn(void) {
    for (int i = 0; i < 400; i++) free(malloc(10000));
}
static void *churn_more(void *unused) {
    churn();
    return NULL;
}
static int take(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    struct signalfd_siginfo info;
    if (poll(&p, 1, 300) != 1) return 0;
    CHECK(read(fd, &info, sizeof info) == sizeof info);
    return info.ssi_signo;
}
static void use(int fd) {
    sigset_t set;
    churn();
    CHECK(blocked(SIGURG) && blocked(SIGUSR1) && !blocked(SIGWINCH));
    kill(getpid(), SIGURG);
    CHECK(sigpending(&set) == 0 && sigismember(&set, SIGURG));
    CHECK(take(fd) == SIGURG && take(fd) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, churn_more, NULL) == 0);
    churn();
    raise(SIGURG);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(take(fd) == SIGURG && take(fd) == 0 && urgent == 0);
}

int main(void) {
    struct sigaction act = {.sa_handler = urge}, old;
    sigset_t set;
    CHECK(sigaction(SIGURG, &act, NULL) == 0);
    act.sa_handler = resize;
    sigaddset(&act.sa_mask, SIGURG);
    CHECK(sigaction(SIGWINCH, &act, NULL) == 0 && sigaction(SIGUSR2, &act, NULL) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    raise(SIGURG);
    churn();
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    CHECK(fd >= 0);
    // The one that came before.
    CHECK(take(fd) == SIGURG);
    use(fd);
    CHECK(sigaction(SIGURG, NULL, &old) == 0 && old.sa_handler == urge && !sigismember(&old.sa_mask, SIGWINCH));
    CHECK(sigaction(SIGWINCH, NULL, &old) == 0 && old.sa_handler == resize && sigismember(&old.sa_mask, SIGURG));
    CHECK(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == resize && sigismember(&old.sa_mask, SIGURG));
    raise(SIGWINCH);
    CHECK(resized == 1);

    pid_t child = fork();
    if (child == 0) {
        int own = signalfd(-1, &set, SFD_CLOEXEC);
        use(own);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    raise(SIGURG);
    CHECK(urgent == 1 && !blocked(SIGURG));
}
