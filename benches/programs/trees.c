// Trees that live shortly beside one that stays, in the manner of GCBench: `trees DEPTH`. Compiled with -DFREEING each is freed
// by the program, else never.
#include "collector.h"

struct node { struct node *left, *right; int i, j; };

static struct node *leaf(void) {
#ifdef FREEING
    return calloc(1, sizeof(struct node));
#else
    return new_object(sizeof(struct node));
#endif
}
static void drop(struct node *n) {
#ifdef FREEING
    if (!n) return;
    drop(n->left);
    drop(n->right);
    free(n);
#else
    (void)n;
#endif
}
/* Each node before its children. */
static void populate(int depth, struct node *n) {
    if (depth <= 0) return;
    n->left = leaf();
    n->right = leaf();
    populate(depth - 1, n->left);
    populate(depth - 1, n->right);
}
/* Each node after them. */
static struct node *built(int depth) {
    struct node *n = NULL;
    if (depth <= 0) return leaf();
    struct node *left = built(depth - 1), *right = built(depth - 1);
    n = leaf();
    n->left = left, n->right = right;
    return n;
}
static long count(const struct node *n) { return n ? 1 + count(n->left) + count(n->right) : 0; }

int main(int argc, char **argv) {
    int most = argc > 1 ? atoi(argv[1]) : 18;
    collector_begin();
    struct node *stays = leaf();
    populate(most, stays);
    double *numbers = new_object(500000 * sizeof *numbers);
    for (int i = 1; i < 250000; i++) numbers[i] = 1.0 / i;
    for (int depth = 4; depth <= most; depth += 2) {
        for (long n = (4L << most) >> depth; n > 0; n--) {
            struct node *top = leaf();
            populate(depth, top);
            drop(top);
            drop(built(depth));
        }
    }
    if (count(stays) != (2L << most) - 1 || numbers[1000] != 1.0 / 1000) return 1;
    drop(stays);
}
