// Pointers hidden by XOR, used by free, realloc and malloc_usable_size: each is told, with both stacks, and nothing is harmed.
// modes: audit
// native: no
// gleaner: collect_every=100k
// status: 23
// stdout: 6000 intact
// stderr: 
// stderr: =================================================================
// stderr: *ERROR: gleaner: the program hides pointers
// stderr: 
// stderr: ...
// stderr: free of 300000 byte(s) in 3000 object(s) that no pointer led to in * collection(s), called from:
// stderr: ...
// stderr: * in drop */hidden.c:*
// stderr: ...
// stderr:   allocated from:
// stderr: ...
// stderr: * in hide */hidden.c:*
// stderr: ...
// stderr: realloc of 200000 byte(s) in 2000 object(s) *
// stderr: ...
// stderr: * in grow */hidden.c:*
// stderr: ...
// stderr: malloc_usable_size of 100000 byte(s) in 1000 object(s) *
// stderr: ...
// stderr: SUMMARY: gleaner: 600000 byte(s) in 6000 object(s) were used by hidden pointers.
#include "check.h"
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 6000
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
static int __attribute__((noinline)) unchanged(const char *p, int i) { return p[0] == (char)i && p[99] == (char)i; }
static char *seen(int i) { return (char *)(hidden[i] ^ key); }
static int __attribute__((noinline)) drop(int i) {
    int whole = unchanged(seen(i), i);
    free(seen(i));
    return whole;
}
static int __attribute__((noinline)) grow(int i) {
    char *p = realloc(seen(i), 500);
    int whole = unchanged(p, i);
    free(p);
    return whole;
}
static int __attribute__((noinline)) ask(int i) { return malloc_usable_size(seen(i)) >= 100 && unchanged(seen(i), i); }

int main(void) {
    hide();
    churn();
    int whole = 0;
    for (int i = 0; i < N; i++)
        whole += i % 6 < 3 ? drop(i) : i % 6 < 5 ? grow(i) : ask(i);
    printf("%d intact\n", whole);
}
