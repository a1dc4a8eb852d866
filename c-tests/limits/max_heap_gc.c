// At `max_heap` the collector finds garbage before anything is refused, though it would not have begun by itself.
// modes: gc
// native: no
// gleaner: max_heap=32m
// gleaner: min_growth=1g
// stdout: 400 blocks
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) void one(size_t size) {
    char *p = malloc(size);
    if (!p) {
        puts("refused");
        exit(1);
    }
    memset(p, 1, size);
    __asm__ volatile("" : : "r"(p) : "memory");
}

int main(void) {
    for (int i = 0; i < 200; i++) one(1 << 20);
    for (int i = 0; i < 200; i++)
        for (int j = 0; j < 100; j++) one(10000);
    puts("400 blocks");
    return 0;
}
