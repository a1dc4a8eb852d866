// What a wrapped read(2) costs, in ns: the best of many slices, of one byte of /dev/zero, with a second thread in the process.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void *sleeper(void *arg) {
    free(malloc(100));
    for (;;) pause();
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}
int main(int argc, char **argv) {
    pthread_t t;
    if (argc == 1) pthread_create(&t, NULL, sleeper, NULL);
    int fd = open("/dev/zero", O_RDONLY);
    char byte;
    double best = 1e9;
    for (int slice = 0; slice < 3000; slice++) {
        double start = now();
        for (int i = 0; i < 500; i++)
            if (read(fd, &byte, 1) != 1) return 1;
        double took = (now() - start) / 500;
        if (took < best) best = took;
    }
    printf("read: %.1f ns\n", best);
}
