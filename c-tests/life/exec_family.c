// Every function of the exec family hands on all arguments and the environment, and a failed one changes nothing.
// flags: -pthread -D_GNU_SOURCE
// gleaner: collect_every=64k:limbo=1
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static char *self = "/proc/self/exe", *list[] = {"x", "1", "2", "3", "4", "5", "6", "7", "8", NULL};
static char *env[] = {"WHO=me", "PATH=/bin", NULL};
extern char **environ;

static void run(int how) {
    switch (how) {
    case 0: execve(self, list, env); break;
    case 1: execv(self, list); break;
    case 2: execvp(self, list); break;
    case 3: execvpe(self, list, env); break;
    case 4: fexecve(open(self, O_RDONLY), list, env); break;
    case 5: execveat(open(self, O_RDONLY), "", list, env, AT_EMPTY_PATH); break;
    case 6: execl(self, "x", "1", "2", "3", "4", "5", "6", "7", "8", (char *)NULL); break;
    case 7: execlp(self, "x", "1", "2", "3", "4", "5", "6", "7", "8", (char *)NULL); break;
    case 8: execle(self, "x", "1", "2", "3", "4", "5", "6", "7", "8", (char *)NULL, env); break;
    case 9: execlp("true", "true", (char *)NULL); break;
    }
    _exit(7);
}
static volatile int came;
static void note(int signal) { came++; }

int main(int argc, char **argv) {
    if (argc > 1) {
        CHECK(argc == 9 && !strcmp(argv[5], "5") && !strcmp(argv[8], "8"));
        CHECK(getenv("WHO") && !strcmp(getenv("WHO"), "me"));
        return 0;
    }
    CHECK(setenv("WHO", "me", 1) == 0);
    for (int how = 0; how < 20; how++) {
        int status;
        pid_t pid = how < 10 ? fork() : vfork();
        CHECK(pid >= 0);
        if (pid == 0) run(how % 10);
        CHECK(waitpid(pid, &status, 0) == pid);
        if (status) dprintf(2, "%d: status %#x\n", how, status);
        CHECK(status == 0);
    }
    sigset_t urgent, now;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    CHECK(signal(SIGURG, SIG_IGN) == SIG_DFL && sigprocmask(SIG_BLOCK, &urgent, NULL) == 0);
    CHECK(execl("/not/there", "x", (char *)NULL) == -1 && errno == ENOENT);
    CHECK(execvp("not-there", list) == -1 && errno == ENOENT);
    CHECK(execle("/not/there", "x", "1", "2", "3", "4", "5", "6", "7", (char *)NULL, env) == -1 && errno == ENOENT);
    CHECK(signal(SIGURG, note) == SIG_IGN);
    raise(SIGURG);
    CHECK(execv("/not/there", list) == -1 && came == 0 && sigpending(&now) == 0 && sigismember(&now, SIGURG));
    CHECK(sigprocmask(SIG_UNBLOCK, &urgent, &now) == 0 && sigismember(&now, SIGURG) && came == 1);
    for (int i = 0; i < 1000; i++) free(malloc(5000));
    CHECK(came == 1);
}
