// A block that another thread has freed already, freed again by its owner.
// native: no
// flags: -pthread
// status: SIGABRT
// stderr: gleaner: *double free*
#include "check.h"
#include <pthread.h>

static void *release(void *p) {
    free(p);
    return NULL;
}

int main(void) {
    char *p = malloc(100);
    pthread_t t;
    pthread_create(&t, NULL, release, p);
    pthread_join(t, NULL);
    free(OPAQUE(p));
    for (int i = 0; i < 100000; i++) free(malloc(100));
    dprintf(2, "still alive\n");
}
