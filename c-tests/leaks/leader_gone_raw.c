// The main thread left by a raw system call: the leak check is made all the same.
// flags: -pthread
// leak: work @here 100 1 direct
#include "plant.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *work(void *arg) {
    usleep(50000);
    volatile char *p = malloc(100); /* @here */
    *p = 1;
    scrub();
    exit(0);
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, work, NULL) == 0);
    syscall(SYS_exit, 0);
}
