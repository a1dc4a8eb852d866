// A library whose cleanup must outlive its last dlclose.
#include <gleaner.h>
#include <sys/mman.h>

static int count;
static int *to = &count;

static void cleanup(uintptr_t at, size_t size, uintptr_t arg) {
    ++*to;
    ++*(int *)arg;
    munmap((void *)at, size);
}

int adopt_from_here(int *counter) {
    void *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return gleaner_adopt(p, 4096, GLEANER_NOSCAN, cleanup, (uintptr_t)counter, 0);
}
