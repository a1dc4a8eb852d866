// Objects to which only an offset, two digits of a big number, or a tagged word leads: not reclaimed.
// modes: malloc gc
// gleaner[gc]: collect_every=128k
// stdout: held
#include "check.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct set {
    int references, count;
    intptr_t leaves;
};
static struct set *sets[300];
static uint64_t digits[300], boxed[300];

static char *make(size_t size, int fill) {
    char *p = malloc(size);
    memset(p, fill, size);
    return p;
}
static int whole(const char *p, size_t size, int fill) {
    for (size_t i = 0; i < size; i++)
        if (p[i] != (char)fill)
            return 0;
    return 1;
}

int main(void) {
    for (int i = 0; i < 300; i++) {
        sets[i] = malloc(sizeof *sets[i]);
        sets[i]->references = sets[i]->count = 1;
        sets[i]->leaves = (intptr_t)make(40 + i, i) - (intptr_t)sets[i];
        uintptr_t p = (uintptr_t)make(100, i);
        digits[i] = (p & 0x3fffffff) | (p >> 30) << 32;
        boxed[i] = (uintptr_t)make(60, i) | 0xfffaULL << 48;
    }
    for (int i = 0; i < 100000; i++) {
        volatile char *p = malloc(16 + i % 300);
        *p = 1;
        if (i % 3)
            free((void *)p);
    }
    for (int i = 0; i < 300; i++) {
        CHECK(whole((char *)sets[i] + sets[i]->leaves, 40 + i, i));
        CHECK(whole((char *)((digits[i] & 0x3fffffff) | (digits[i] >> 32) << 30), 100, i));
        CHECK(whole((char *)(boxed[i] & ((1ULL << 48) - 1)), 60, i));
    }
    puts("held");
}
