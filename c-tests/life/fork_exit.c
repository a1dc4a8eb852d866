// Children of a program with threads may leave by exit(), with atexit handlers, and by _exit.
// flags: -pthread
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

static void *sleeper(void *arg) {
    char *mine = malloc(100);
    pause();
    return mine;
}
static void handler(void) { free(malloc(100)); }

int main(void) {
    pthread_t t;
    atexit(handler);
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&t, NULL, sleeper, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) i & 1 ? exit(i) : _exit(i);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == i);
    }
}
