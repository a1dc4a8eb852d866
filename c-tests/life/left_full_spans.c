// A thread ends and leaves full spans behind. Others free one object in each; who then takes such a
// span over and uses it up goes on to the next one.
// flags: -pthread
// timeout: 20
#include "check.h"
#include <pthread.h>

enum { COUNT = 4000 };
static char *left[COUNT];
static const size_t sizes[] = {24, 100, 1000, 4000, 9000};
static size_t size;

static void *leave(void *unused) {
    for (int i = 0; i < COUNT; i++) CHECK((left[i] = malloc(size)) != NULL);
    return NULL;
}
static void *take(void *unused) {
    static char *taken[COUNT];
    for (int i = 0; i < COUNT; i++) {
        CHECK((taken[i] = malloc(size)) != NULL);
        taken[i][0] = i;
    }
    for (int i = 0; i < COUNT; i++) free(taken[i]);
    return NULL;
}
static void run(void *(*body)(void *)) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

int main(void) {
    for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size = sizes[k];
        run(leave);
        for (int i = 0; i < COUNT; i += 3) {
            free(left[i]);
            left[i] = NULL;
        }
        run(take);
        take(NULL);
        for (int i = 0; i < COUNT; i++) free(left[i]);
    }
}
