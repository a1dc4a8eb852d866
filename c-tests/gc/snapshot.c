// Collections marked by copies of the process: what threads move about between heap, own and shared memory meanwhile stays,
// what they drop goes, and the program sees no child, no signal and no descriptor.
// modes: gc
// native: no
// flags: -pthread
// gleaner: marking=snapshot:min_growth=512k:cgroup=0:checkmark=yes:stats=yes
// timeout: 60
// stderr: ...
// told: gleaner: gc: collections: * by a copy of the process
// told: gleaner: gc: revived * resurrected 0
#include "check.h"
#include "descriptors.h"
#include "unseen.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

enum { THREADS = 3, N = 3000, SIZE = 120, SECONDS = 4 };
static void **places[3];
static volatile int over;
static volatile sig_atomic_t signals;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long made;

static void *fresh(int at) {
    void *p = malloc(SIZE);
    fill(p, SIZE, at);
    return p;
}
static void on_child(int signal) {
    (void)signal;
    signals++;
}
/* Each object is led to by one word at a time, in one of three sorts of memory. */
static void *move(void *unused) {
    unsigned seed = (unsigned)(size_t)&unused, round = 0;
    while (!over) {
        pthread_mutex_lock(&lock);
        for (int i = 0; i < 200; i++) {
            int from = rand_r(&seed) % 3, to = rand_r(&seed) % 3, at = rand_r(&seed) % N;
            void *one = places[from][at], *other = places[to][at];
            places[from][at] = other;
            places[to][at] = one;
            unsigned char *p = places[to][at];
            if (p && rand_r(&seed) % 8 == 0) {
                if (rand_r(&seed) % 2) free(p);
                places[to][at] = fresh(at);
                made++;
            }
        }
        pthread_mutex_unlock(&lock);
        if (++round % 16 == 0) poll(NULL, 0, 1);
    }
    return NULL;
}

int main(void) {
    pthread_t t[THREADS];
    struct timespec begun, now;
    struct sigaction action = {.sa_handler = on_child};
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    places[0] = malloc(N * sizeof(void *));
    places[1] = mmap(NULL, N * sizeof(void *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    places[2] = mmap(NULL, N * sizeof(void *), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++) places[k][i] = k == i % 3 ? fresh(i) : NULL;
    int open = descriptors();
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, move, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        copies_are_unseen();
        CHECK(signals == 0);
        /* A thread that begins reads something once. */
        for (int tries = 0; descriptors() != open; tries++) CHECK(tries < 3);
        poll(NULL, 0, 5);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begun.tv_sec < SECONDS);
    over = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < N; i++) {
        int found = 0;
        for (int k = 0; k < 3; k++)
            if (places[k][i]) {
                found++;
                CHECK(intact(places[k][i], SIZE, i));
            }
        CHECK(found == 1);
    }
    CHECK(made > 20000);
    CHECK(status_kib("VmRSS") < 100000);
    return 0;
}
