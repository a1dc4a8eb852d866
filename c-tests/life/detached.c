// Detached threads that outlive main's return, and pthread_exit from main.
// flags: -pthread
#include "check.h"
#include <pthread.h>

static void *work(void *arg) {
    for (int i = 0; i < 20000; i++) free(malloc(i % 3000));
    if (arg) {
        usleep(50000);
        exit(0);
    }
    return NULL;
}
int main(void) {
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (long i = 0; i < 8; i++) CHECK(pthread_create(&t, &attr, work, (void *)(long)(i == 7)) == 0);
    pthread_attr_destroy(&attr);
    pthread_exit(NULL);
}
