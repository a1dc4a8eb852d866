// A pinned object stays though nothing points to it, and what it points to; without its pin it goes. A referent is not pinned itself.
// native: no
// modes: gc
// gleaner: min_growth=1g
#include "check.h"
#include <gleaner.h>

enum { N = 2000 };
struct node { struct node *next; char rest[90]; };
static uintptr_t hidden[N];

static __attribute__((noinline)) void make(void) {
    for (int i = 0; i < N; i++) {
        struct node *a = malloc(sizeof *a), *b = malloc(sizeof *b);
        a->next = b;
        b->next = NULL;
        fill(b->rest, sizeof b->rest, i);
        CHECK(gleaner_pin(a->rest) == 0);
        hidden[i] = ~(uintptr_t)a;
    }
}
static __attribute__((noinline)) int check(int from, int to) {
    int found = 0;
    for (int i = from; i < to; i++) {
        struct node *volatile a = (struct node *)~hidden[i];
        found += intact(a->next->rest, sizeof a->next->rest, i);
    }
    return found;
}
int main(void) {
    struct gleaner_figures f;
    make();
    clear_stack();
    for (int i = 0; i < 4; i++) CHECK(gleaner_collect() == 0);
    CHECK(check(0, N) == N);
    CHECK(gleaner_stats(&f, sizeof f) == 0);
    uint64_t before = f.reclaimed_objects;
    for (int i = 0; i < N; i++) CHECK(gleaner_unpin((void *)~hidden[i]) == 0);
    clear_stack();
    for (int i = 0; i < 4; i++) CHECK(gleaner_collect() == 0);
    CHECK(gleaner_stats(&f, sizeof f) == 0);
    CHECK(f.reclaimed_objects - before >= 2 * N - 40 && f.resurrected == 0);

    /* A referent of a pinned object is freed like any other. */
    struct node *a = malloc(sizeof *a);
    struct node *volatile b = a->next = malloc(sizeof *b);
    CHECK(gleaner_pin(a) == 0);
    free(b);
    CHECK(gleaner_pin(b) == EFAULT);
    return 0;
}
