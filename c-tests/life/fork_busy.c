// 200 forks out of a program whose threads allocate all the time: each child allocates, frees, forks and ends.
// flags: -pthread
// timeout: 60
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

static volatile int stop;
static void *work(void *arg) {
    uint64_t r = (uintptr_t)arg;
    char *p[64] = {0};
    while (!stop) {
        int i = next_random(&r) % 64;
        free(p[i]);
        p[i] = malloc(next_random(&r) % 5000);
    }
    for (int i = 0; i < 64; i++) free(p[i]);
    return NULL;
}
static void child(char *inherited) {
    CHECK(intact(inherited, 5000, 7));
    free(inherited);
    char *p[1000];
    for (int i = 0; i < 1000; i++) CHECK((p[i] = malloc(i * 3)) != NULL);
    for (int i = 0; i < 1000; i++) free(p[i]);
    pid_t grandchild = fork();
    if (grandchild == 0) _exit(malloc(100000) ? 0 : 1);
    int status;
    CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    pthread_t t;
    stop = 1;
    CHECK(pthread_create(&t, NULL, work, (void *)9) == 0);
    CHECK(pthread_join(t, NULL) == 0);
    _exit(0);
}
int main(void) {
    pthread_t t[3];
    for (long i = 0; i < 3; i++) CHECK(pthread_create(&t[i], NULL, work, (void *)(i + 1)) == 0);
    for (int i = 0; i < 200; i++) {
        char *inherited = malloc(5000);
        fill(inherited, 5000, 7);
        pid_t pid = fork();
        if (pid == 0) child(inherited);
        CHECK(pid > 0);
        free(inherited);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
}
