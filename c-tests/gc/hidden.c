// A list whose pointers are hidden by XOR: freeing one in limbo ends reclaiming for good, and the
// program gets all of its blocks back.
// modes: gc
// native: no
// gleaner: stats=1:collect_every=100k:limbo=100
// stdout: 1000 intact
// stderr: ...
// stderr: gleaner: gc: reclaimed 0 objects, 0 bytes
// stderr: gleaner: gc: revived *; resurrected *
// stderr: ...
#include "check.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 1000
static uintptr_t hidden[N];
static const uintptr_t key = 0x5555aaaa5555aaaa;

static void __attribute__((noinline)) hide(void) {
    for (int i = 0; i < N; i++) {
        char *p = malloc(100);
        memset(p, i, 100);
        hidden[i] = (uintptr_t)p ^ key;
    }
}
static void __attribute__((noinline)) churn(void) {
    for (int i = 0; i < 20; i++)
        free(malloc(200000));
}

int main(void) {
    hide();
    // The first free of a hidden block happens while all are in limbo.
    churn();
    int intact = 0;
    for (int i = 0; i < N; i++) {
        char *p = (char *)(hidden[i] ^ key);
        intact += p[0] == (char)i && p[99] == (char)i;
        free(p);
        if (i == 0)
            churn();
    }
    printf("%d intact\n", intact);
}
