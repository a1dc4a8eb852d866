// The program's own use of the stop signal: what it installs, masks and waits for it reads back.
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <signal.h>

static volatile int urgent, info_ok;
static void urge(int signal) { urgent++; }
static void urge_info(int signal, siginfo_t *info, void *context) {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    info_ok = signal == SIGURG && info->si_signo == SIGURG && info->si_pid == getpid() && context &&
              sigismember(&now, SIGUSR1) && sigismember(&now, SIGURG);
}
static int blocked(int signal) {
    sigset_t now;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    return sigismember(&now, signal);
}

int main(void) {
    struct sigaction act = {.sa_handler = urge, .sa_flags = SA_NODEFER}, old;
    sigset_t set, full;
    CHECK(sigaction(SIGURG, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    raise(SIGURG);
    CHECK(sigaction(SIGURG, &act, &old) == 0 && old.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGURG, NULL, &old) == 0 && old.sa_handler == urge && (old.sa_flags & ~0x04000000) == SA_NODEFER);
    for (int i = 0; i < 1000; i++) free(malloc(10000));
    CHECK(urgent == 0);
    raise(SIGURG);
    kill(getpid(), SIGURG);
    CHECK(urgent == 2);

    sigfillset(&full);
    CHECK(sigprocmask(SIG_SETMASK, &full, &set) == 0 && !sigismember(&set, SIGURG));
    CHECK(blocked(SIGURG) && blocked(SIGUSR1));
    raise(SIGURG);
    CHECK(urgent == 2 && sigpending(&set) == 0 && sigismember(&set, SIGURG));
    for (int i = 0; i < 1000; i++) free(malloc(10000));
    int got = 0;
    CHECK(sigwait(&full, &got) == 0 && got == SIGURG && urgent == 2);
    raise(SIGURG);
    siginfo_t info;
    CHECK(sigwaitinfo(&full, &info) == SIGURG && info.si_signo == SIGURG);
    struct timespec brief = {0, 1000000};
    CHECK(sigtimedwait(&full, &info, &brief) == -1 && errno == EAGAIN);
    raise(SIGUSR1);
    CHECK(sigwait(&full, &got) == 0 && got == SIGUSR1);
    raise(SIGURG);
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && urgent == 3 && !blocked(SIGURG));
    CHECK(sigprocmask(SIG_UNBLOCK, &full, NULL) == 0);

    act.sa_flags = SA_SIGINFO | SA_RESETHAND;
    act.sa_sigaction = urge_info;
    sigemptyset(&act.sa_mask);
    sigaddset(&act.sa_mask, SIGUSR1);
    CHECK(sigaction(SIGURG, &act, NULL) == 0);
    raise(SIGURG);
    CHECK(info_ok && !blocked(SIGUSR1) && !blocked(SIGURG));
    CHECK(sigaction(SIGURG, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    CHECK(signal(SIGURG, SIG_IGN) == SIG_DFL && signal(SIGURG, urge) == SIG_IGN);
    raise(SIGURG);
    CHECK(urgent == 4);

    // Another signal's mask that names it.
    act = (struct sigaction){.sa_handler = urge};
    sigaddset(&act.sa_mask, SIGURG);
    CHECK(sigaction(SIGUSR2, &act, NULL) == 0 && sigaction(SIGUSR2, NULL, &old) == 0);
    CHECK(sigismember(&old.sa_mask, SIGURG) && !sigismember(&old.sa_mask, SIGUSR1));
    raise(SIGUSR2);
    CHECK(urgent == 5);
}
