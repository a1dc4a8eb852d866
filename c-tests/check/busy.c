// A program whose threads do nothing but allocate is checked again and again, by two visitors at once.
// modes: leak audit gc
// native: no
// flags: -pthread
// timeout: 90
#include "check.h"
#include "visitor.h"
#include <pthread.h>

static volatile int stop;

static void *churns(void *arg) {
    enum { N = 2000 };
    static __thread void *p[N];
    for (unsigned round = 0; !stop; round++) {
        for (int i = 0; i < N; i++) CHECK((p[i] = malloc(16 + (i * 37 + round) % 3000)) != NULL);
        for (int i = 0; i < N; i++) free(p[i]);
    }
    return arg;
}

int main(void) {
    enum { THREADS = 3, ROUNDS = 4 };
    pthread_t threads[THREADS];
    static char text[2][65536];
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, churns, NULL) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct visit one = visit_begin(getpid(), "--timeout 40"), two = visit_begin(getpid(), "--timeout 40");
        int a = visit_end(one, text[0], sizeof text[0]), b = visit_end(two, text[1], sizeof text[1]);
        for (int k = 0; k < 2; k++)
            if (!strstr(text[k], "no leaks in ")) dprintf(2, "%s\n", text[k]);
        CHECK(a == 0 && b == 0);
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}
