// A program with threads executes itself ten times over.
// flags: -pthread
// args: 10
// stdout: done
#include "check.h"
#include <pthread.h>

static void *churn(void *arg) {
    for (;;) free(malloc(200));
    return NULL;
}
int main(int argc, char **argv) {
    int left = atoi(argv[1]);
    if (left == 0) {
        puts("done");
        return 0;
    }
    pthread_t t;
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    char *number = malloc(16);
    sprintf(number, "%d", left - 1);
    execl("/proc/self/exe", argv[0], number, (char *)NULL);
    return 1;
}
