// A child of fork collects, and its heap is whole, whatever its parent's other threads were doing.
// modes: malloc gc
// gleaner[gc]: checkmark=yes
// timeout: 90
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

int gleaner_collect(void) __attribute__((weak));
static volatile int stop;

/* More than a bin holds comes and goes: slow paths most of the time. */
static void *batches(void *arg) {
    enum { N = 400 };
    void *p[N];
    size_t sizes[] = {48, 200, 700, 3000, 9000};
    for (int round = (int)(long)arg; !stop; round++) {
        size_t size = sizes[round % 5];
        int n = size > 1000 ? 60 : N;
        for (int i = 0; i < n; i++) CHECK((p[i] = malloc(size)) != NULL);
        for (int i = 0; i < n; i++) free(p[i]);
    }
    return NULL;
}

int main(void) {
    pthread_t t[3];
    for (long i = 0; i < 3; i++) CHECK(pthread_create(&t[i], NULL, batches, (void *)i) == 0);
    for (int i = 0; i < 150; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            for (int k = 0; k < 2 && gleaner_collect; k++) gleaner_collect();
            for (int k = 0; k < 2000; k++) free(OPAQUE(malloc(48 + k)));
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    stop = 1;
    for (int i = 0; i < 3; i++) CHECK(pthread_join(t[i], NULL) == 0);
}
