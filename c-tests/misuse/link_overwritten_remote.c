// The same for a block that another thread freed.
// native: no
// flags: -pthread
// status: SIGABRT
// stderr: gleaner: *was overwritten*
#include "check.h"
#include <pthread.h>

enum { N = 5000 };
static void *p[N];
static char forged[64] __attribute__((aligned(16)));

static void *other(void *arg) {
    for (int i = 0; i < N; i++) free(p[i]);
    return arg;
}
int main(void) {
    for (int i = 0; i < N; i++) p[i] = malloc(48);
    pthread_t t;
    pthread_create(&t, NULL, other, NULL);
    pthread_join(t, NULL);
    for (int i = 0; i < N; i++) *(void **)OPAQUE(p[i]) = forged;
    for (int i = 0; i < 3 * N; i++)
        if (malloc(48) == (void *)forged) dprintf(2, "the forged address was handed out\n");
    dprintf(2, "still alive\n");
}
