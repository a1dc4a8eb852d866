// A cycle through the heap and a scanned range dies as a whole; a range that is not scanned keeps nothing alive.
// leak: cycle @node 64 1 direct
// leak: leaves @leaf 48 1 direct
#include "foreign.h"

struct node { void *range; char text[56]; };
static uintptr_t range, node, leaf, kept_node;
static void *volatile keep;

static __attribute__((noinline)) void cycle(void) {
    struct node *n = malloc(sizeof *n); /* @node */
    range = adopt_new(PAGE, GLEANER_SCAN, 0, 0);
    n->range = SHOW(range);
    *(void **)SHOW(range) = n;
    /* And one of its own. */
    ((void **)SHOW(range))[1] = SHOW(range);
    node = HIDE(n);
}
/* A block that a range without pointers, which is alive, alone points to; and one that a scanned one does. */
static __attribute__((noinline)) void leaves(void) {
    void **p = SHOW(adopt_new(PAGE, GLEANER_NOSCAN, 1, 0));
    void **q = SHOW(adopt_new(PAGE, GLEANER_SCAN, 2, 0));
    void **pair = malloc(2 * sizeof *pair);
    pair[0] = p, pair[1] = q, keep = pair;
    p[3] = malloc(48); /* @leaf */
    q[3] = malloc(48);
    leaf = HIDE(p[3]), kept_node = HIDE(q[3]);
    strcpy(q[3], "alive");
}

int main(void) {
    struct gleaner_figures before, after;
    cycle(), leaves();
    gleaner_stats(&before, sizeof before);
    collect(), collect();
    gleaner_stats(&after, sizeof after);
    CHECK(was_called(range) == collects() && called == collects());
    CHECK(!strcmp(SHOW(kept_node), "alive"));
    /* The node and the leaf. */
    if (collects()) CHECK(after.reclaimed_objects - before.reclaimed_objects >= 2);
    return 0;
}
