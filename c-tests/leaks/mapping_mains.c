// What main maps for good, itself or through a function, is no leak: in its frame, in a register, behind its last use.
// flags: -pthread
#include "plant.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

static NOINLINE char *map(size_t size) {
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    NOTAIL;
    return p;
}
static NOINLINE const char *map_file(void) {
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    const char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && close(fd) == 0);
    NOTAIL;
    return p;
}
static void *thread(void *unused) {
    (void)unused;
    return map(28672);
}
int main(int count, char **arguments) {
    (void)arguments;
    char *array[6], *of_register = map(4096), *own = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(own != MAP_FAILED);
    volatile size_t page = (size_t)map(12288) >> 12;
    for (int i = 0; i < 6; i++) array[i] = map(20480);
    free(malloc(10));
    pthread_t t;
    void *result;
    CHECK(pthread_create(&t, NULL, thread, NULL) == 0 && pthread_join(t, &result) == 0);
    char *given = result;
    result = NULL;
    __asm__ volatile("" : "+m"(result));
    const char *file = map_file();
    int sum = 0;
    for (int i = 0; i < 100; i++) sum += file[i];
    free(malloc(10));
    /* Half of one is given back: the other half is as much main's as before. */
    CHECK(munmap(of_register, 0) != 0);
    char *halved = map(8192);
    CHECK(munmap(halved, 4096) == 0);
    halved += 4096;
    free(malloc(10));
    for (int i = 0; i < count; i++) {
        of_register[1] = (char)sum;
        halved[1] = given[1] = array[i][1];
        scrub();
    }
    __asm__ volatile("" : : "m"(array), "m"(page));
    return of_register[0] - 1;
}
