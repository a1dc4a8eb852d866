// What a wrapped read(2) costs: one byte of /dev/zero, by the name `read` and by libc's own address, in turns of
// short blocks in one process, with a second thread (`alone` as argument: without). Minima and medians in ns, and the difference.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 8000, CALLS = 100 };
typedef ssize_t reader(int, void *, size_t);

static void *sleeper(void *arg) {
    free(malloc(100));
    for (;;) pause();
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}
static double block(reader *read_it, int fd) {
    char byte;
    double start = now();
    for (int i = 0; i < CALLS; i++)
        if (read_it(fd, &byte, 1) != 1) exit(1);
    return (now() - start) / CALLS;
}
static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
int main(int argc, char **argv) {
    static double times[2][BLOCKS];
    pthread_t t;
    if (argc == 1) pthread_create(&t, NULL, sleeper, NULL);
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    reader *readers[2] = {dlsym(libc, "read"), read};
    int fd = open("/dev/zero", O_RDONLY);
    for (int i = 0; i < BLOCKS; i++)
        /* Each goes first every other time. */
        for (int k = 0; k < 2; k++) times[(i + k) % 2][i] = block(readers[(i + k) % 2], fd);
    for (int k = 0; k < 2; k++) qsort(times[k], BLOCKS, sizeof(double), by_value);
    const char *names[] = {"minimum", "quarter", "median"};
    const int ranks[] = {0, BLOCKS / 4, BLOCKS / 2};
    for (int r = 0; r < 3; r++) {
        double own = times[0][ranks[r]], wrapped = times[1][ranks[r]];
        printf("%-8s libc %6.1f ns, wrapped %6.1f ns: %+5.1f ns, %+5.1f %%\n", names[r], own, wrapped, wrapped - own,
               (wrapped / own - 1) * 100);
    }
}
