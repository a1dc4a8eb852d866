// What a program ignores and blocks is what its children find, however they are made, and what it finds itself afterwards.
// flags: -pthread
// timeout: 60
// gleaner: collect_every=64k:limbo=1
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;
static char *self = "/proc/self/exe", path[4096], command[5000], *list[] = {"handed_on", "report", NULL};
enum { IGNORED = 1, BLOCKED = 2 };

static int report(void) {
    struct sigaction act;
    sigset_t mask;
    CHECK(sigaction(SIGURG, NULL, &act) == 0 && sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    return (act.sa_handler == SIG_IGN ? IGNORED : 0) | (sigismember(&mask, SIGURG) ? BLOCKED : 0);
}
static int end_of(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}
static int spawn(posix_spawnattr_t *attr) {
    pid_t pid;
    CHECK(posix_spawn(&pid, path, NULL, attr, list, environ) == 0);
    return end_of(pid);
}
enum { SPAWN, SPAWNP, POPEN, EXEC, RAW_EXEC, RAW_EXECVEAT, VFORK_EXEC, SYSTEM, WAYS };
static int child(int way) {
    pid_t pid;
    switch (way) {
    case SPAWN: return spawn(NULL);
    case SPAWNP: CHECK(posix_spawnp(&pid, path, NULL, NULL, list, environ) == 0); return end_of(pid);
    case POPEN: {
        FILE *f = popen(command, "w");
        CHECK(f != NULL);
        return WEXITSTATUS(pclose(f));
    }
    case SYSTEM: return WEXITSTATUS(system(command));
    }
    pid = way == VFORK_EXEC ? vfork() : fork();
    CHECK(pid >= 0);
    if (pid) return end_of(pid);
    if (way == EXEC) execv(self, list);
    if (way == VFORK_EXEC) execv(path, list);
    if (way == RAW_EXEC) syscall(SYS_execve, self, list, environ);
    if (way == RAW_EXECVEAT) syscall(SYS_execveat, -100, self, list, environ, 0);
    _exit(99);
}
static void all(int expected) {
    for (int way = 0; way < WAYS; way++) {
        int found = child(way);
        /* A child of system() would have to find it ignored, too: but nobody could be stopped while it lives. */
        int mask = way == SYSTEM && !getenv("NATIVE") ? BLOCKED : IGNORED | BLOCKED;
        if ((found & mask) != (expected & mask)) dprintf(2, "way %d: %d, not %d\n", way, found, expected);
        CHECK((found & mask) == (expected & mask));
        CHECK(report() == expected);
    }
}
static void attributes(sigset_t *urgent) {
    posix_spawnattr_t attr;
    CHECK(posix_spawnattr_init(&attr) == 0 && posix_spawnattr_setsigmask(&attr, urgent) == 0);
    CHECK(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK) == 0 && spawn(&attr) == (IGNORED | BLOCKED));
    CHECK(posix_spawnattr_setsigdefault(&attr, urgent) == 0);
    CHECK(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF) == 0 && spawn(&attr) == 0);
    posix_spawnattr_destroy(&attr);
}
static void *many(void *arg) {
    for (int i = 0; i < 20; i++) {
        for (int j = 0; j < 200; j++) free(malloc(5000));
        CHECK(child(i % 3) == (arg ? IGNORED | BLOCKED : IGNORED));
    }
    return NULL;
}
static volatile int came;
static void note(int signal) { came++; }

int main(int argc, char **argv) {
    if (argc > 1) return report();
    ssize_t n = readlink(self, path, sizeof path - 1);
    CHECK(n > 0);
    snprintf(command, sizeof command, "exec '%s' report", path);
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    for (int round = 0; round < 2; round++) {
        all(0);
        CHECK(signal(SIGURG, SIG_IGN) == SIG_DFL);
        all(IGNORED);
        attributes(&urgent);
        CHECK(sigprocmask(SIG_BLOCK, &urgent, NULL) == 0);
        all(IGNORED | BLOCKED);
        pthread_t t;
        CHECK(pthread_create(&t, NULL, many, path) == 0);
        CHECK(sigprocmask(SIG_UNBLOCK, &urgent, NULL) == 0);
        many(NULL);
        CHECK(pthread_join(t, NULL) == 0);
        CHECK(signal(SIGURG, SIG_DFL) == SIG_IGN && sigprocmask(SIG_BLOCK, &urgent, NULL) == 0);
        all(BLOCKED);
        CHECK(sigprocmask(SIG_UNBLOCK, &urgent, NULL) == 0);
        /* Then by programs that know nothing of us. */
        unsetenv("LD_PRELOAD");
    }
    CHECK(signal(SIGURG, note) == SIG_DFL && raise(SIGURG) == 0 && came == 1);
    all(0);
    CHECK(raise(SIGURG) == 0 && came == 2);
}
