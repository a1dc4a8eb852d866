// Threads for scripts/stop-latency to have stopped: `stops BLOCKED SPINNING COLLECTIONS`. Under collect_every=64k each
// round of main is a collection.
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int ends[2];
static _Atomic int ready, over;

static void *blocked(void *arg) {
    struct pollfd fd = {ends[0], POLLIN, 0};
    ready++;
    if (poll(&fd, 1, -1) != 1) abort();
    return arg;
}
static void *spinning(void *arg) {
    ready++;
    while (!over) __builtin_ia32_pause();
    return arg;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: stops BLOCKED SPINNING COLLECTIONS\n"), 2;
    int sleepers = atoi(argv[1]), all = sleepers + atoi(argv[2]), rounds = atoi(argv[3]);
    pthread_t *threads = malloc(all * sizeof *threads);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    if (pipe(ends)) return 1;
    for (int i = 0; i < all; i++) {
        if (pthread_create(&threads[i], &attr, i < sleepers ? blocked : spinning, NULL)) return 1;
    }
    while (ready < all) usleep(1000);
    usleep(100000);
    for (int i = 0; i < rounds; i++) {
        volatile char *p = malloc(1 << 20);
        p[0] = 1;
        free((void *)p);
        usleep(500);
    }
    over = 1;
    if (write(ends[1], "", 1) != 1) return 1;
    for (int i = 0; i < all; i++) pthread_join(threads[i], NULL);
}
