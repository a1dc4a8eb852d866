// Collections go on while parents sleep in vfork and posix_spawn, and after a child that was killed in a blocked call.
// modes: gc
// flags: -pthread
// It takes 2 s; where each of them is waited for, 70.
// timeout: 20
// gleaner: collect_every=256k:limbo=1:stats=1
// stderr[gc]: gleaner: heap: *
// stderr[gc]: gleaner: gc: cycles *, abandoned 0
// stderr[gc]: ...
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *none[] = {NULL};
static volatile int stop;
static void *churn(void *arg) {
    char *kept[64];
    while (!stop) {
        for (int i = 0; i < 64; i++) memset(kept[i] = malloc(i & 1 ? 6000 : 700), 0xee, 700);
        for (int i = 0; i < 64; i += 1 + (i & 1)) free(kept[i]);
        usleep(300);
    }
    return NULL;
}
static void *open_late(void *fifo) {
    usleep(300000);
    close(open(fifo, O_WRONLY));
    return NULL;
}
int main(void) {
    pthread_t t, late;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    char *keep = malloc(700);
    fill(keep, 700, 4);
    for (int i = 0; i < 12; i++) {
        int status;
        pid_t pid = vfork();
        if (pid == 0) {
            /* The signal of a stop would wait until the child is gone. */
            if (i % 2 == 0) poll(NULL, 0, 400);
            if (i % 2 == 1) {
                poll(NULL, 0, 5);
                kill(getpid(), SIGKILL);
            }
            execle("/bin/true", "true", (char *)NULL, none);
            _exit(9);
        }
        CHECK(waitpid(pid, &status, 0) == pid && (i % 2 == 1 ? WTERMSIG(status) == SIGKILL : status == 0));
        CHECK(intact(keep, 700, 4));
        for (int k = 0; k < 100; k++) free(malloc(k * 10));
    }
    char fifo[64];
    snprintf(fifo, sizeof fifo, "/tmp/gleaner-vfork-%d", getpid());
    CHECK(mkfifo(fifo, 0600) == 0 && pthread_create(&late, NULL, open_late, fifo) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, fifo, O_RDONLY, 0);
    char *argv[] = {"true", NULL};
    pid_t pid;
    CHECK(posix_spawn(&pid, "/bin/true", &actions, NULL, argv, none) == 0 && waitpid(pid, NULL, 0) == pid);
    unlink(fifo);
    pthread_join(late, NULL);
    stop = 1;
    pthread_join(t, NULL);
    CHECK(intact(keep, 700, 4));
    free(keep);
}
