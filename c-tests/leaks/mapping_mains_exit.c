// What main keeps when it calls exit is no leak; nor is what the function keeps that calls it.
#include "plant.h"
#include <sys/mman.h>

static NOINLINE char *map(size_t size) {
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    NOTAIL;
    return p;
}
static NOINLINE void run(const char *mains) {
    char *own = map(4096), *used = map(16384);
    used[1] = mains[0];
    free(malloc(10));
    exit(own[0] - 1);
}
int main(void) {
    char *p = map(4096), *volatile of_frame = map(8192);
    free(malloc(10));
    scrub();
    run(p);
    return of_frame[0];
}
