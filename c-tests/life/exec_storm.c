// Children execute programs from a thread that is not the first one, while the others are stopped all the time: the new
// image lives, with the mask and the action of the stop signal that the program set, and none of our signals is left in it.
// flags: -pthread -D_GNU_SOURCE
// timeout: 30
// gleaner: collect_every=64k:limbo=1
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static char *self;
static int generation;
static void *churn(void *arg) {
    for (;;) free(malloc(5000));
    return arg;
}
static void *execute(void *arg) {
    usleep(rand() % 3000);
    char next[12], how[2] = {generation % 2 ? 'b' : 'i', 0};
    snprintf(next, sizeof next, "%d", generation - 1);
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    // A blocked signal, or an ignored one, is inherited.
    pthread_sigmask(how[0] == 'b' ? SIG_BLOCK : SIG_UNBLOCK, &urgent, NULL);
    signal(SIGURG, how[0] == 'i' ? SIG_IGN : SIG_DFL);
    execl(self, self, next, how, (char *)NULL);
    _exit(9);
}

int main(int argc, char **argv) {
    self = "/proc/self/exe";
    if (argc == 3) {
        struct sigaction now;
        sigset_t mask, pending;
        CHECK(sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == (argv[2][0] == 'i' ? SIG_IGN : SIG_DFL));
        CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGURG) == (argv[2][0] == 'b'));
        CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGURG));
        generation = atoi(argv[1]);
        if (generation == 0) return 0;
    }
    pthread_t t;
    if (argc == 3) {
        srand(getpid());
        for (int i = 0; i < 2; i++) CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
        CHECK(pthread_create(&t, NULL, execute, NULL) == 0);
        churn(NULL);
    }
    for (int i = 0; i < 12; i++) {
        int status;
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            signal(SIGURG, SIG_IGN);
            execl(self, self, "6", "i", (char *)NULL);
            _exit(8);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        if (status) dprintf(2, "status %#x\n", status);
        CHECK(status == 0);
    }
}
