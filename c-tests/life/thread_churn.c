// 10,000 threads, each with blocks of its own, some of which it leaves for others to free; memory does not grow.
// flags: -pthread
// timeout: 60
#include "check.h"
#include <pthread.h>

enum { THREADS = 10000, ABREAST = 4 };
static void *work(void *arg) {
    char *own[20], *passed = malloc(300);
    for (int i = 0; i < 20; i++) {
        CHECK((own[i] = malloc(100 * i)) != NULL);
        memset(own[i], i, 100 * i);
    }
    free(arg);
    for (int i = 0; i < 20; i++) free(own[i]);
    fill(passed, 300, 6);
    return passed;
}
int main(void) {
    pthread_t t[ABREAST];
    long after_tenth = 0;
    for (int round = 0; round < THREADS / ABREAST; round++) {
        for (int i = 0; i < ABREAST; i++) CHECK(pthread_create(&t[i], NULL, work, malloc(200)) == 0);
        for (int i = 0; i < ABREAST; i++) {
            void *passed;
            CHECK(pthread_join(t[i], &passed) == 0 && intact(passed, 300, 6));
            free(passed);
        }
        if (round == THREADS / ABREAST / 10) after_tenth = status_kib("VmRSS");
    }
    CHECK(status_kib("VmRSS") < after_tenth + 8000);
}
