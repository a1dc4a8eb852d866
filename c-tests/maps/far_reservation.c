// A program may take the 16 TiB above 16 TiB for itself, as CLISP does, or the beginning of a power of two, as Java's ZGC: nothing of ours lies there.
#include "check.h"
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
static void take(unsigned long at, unsigned long size) {
    void *p = mmap((void *)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(p == (void *)at && munmap(p, size) == 0);
}
int main(void) {
    char *held[2000];
    for (int i = 0; i < 2000; i++) held[i] = malloc(i * 100);
    for (unsigned long tib = 1; tib <= 64; tib *= 2) take(tib << 40, 1ul << 40);
    take(16ul << 40, 16ul << 40);
    for (int i = 0; i < 2000; i++) free(held[i]);
}
