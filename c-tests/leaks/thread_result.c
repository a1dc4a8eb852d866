// What threads returned is never fetched from the join.
// flags: -pthread
// leak: work @here 1000 10 direct
#include "plant.h"
#include <pthread.h>

static void *work(void *arg) {
    char *p = malloc(100); /* @here */
    *p = 1;
    return p;
}
int main(void) {
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, work, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
    scrub();
}
