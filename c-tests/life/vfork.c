// vfork, posix_spawn, system and popen: the parent's heap is as before, the child runs.
// flags: -pthread
#include "check.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static volatile int stop;
static void *churn(void *arg) {
    while (!stop) free(malloc(200));
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    char *keep = malloc(5000);
    fill(keep, 5000, 4);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = vfork();
        if (pid == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(9);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        pid = vfork();
        if (pid == 0) _exit(3);
        CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
        char *argv[] = {"sh", "-c", "exit 5", NULL};
        CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
        CHECK(WEXITSTATUS(system("exit 6")) == 6);
        FILE *f = popen("echo hello", "r");
        char line[16];
        CHECK(f && fgets(line, sizeof line, f) && !strcmp(line, "hello\n") && pclose(f) == 0);
        CHECK(intact(keep, 5000, 4));
    }
    stop = 1;
    pthread_join(t, NULL);
    free(keep);
}
