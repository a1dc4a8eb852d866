// Two blocks that point to each other: one of them is the direct leak, the other hangs on it.
// leak: make @a 40 1 direct
// leak: make @b 56 1 indirect
#include "plant.h"

struct node { struct node *next; char pad[32]; };
static NOINLINE void make(void) {
    struct node *a = malloc(40); /* @a */
    struct node *b = malloc(56); /* @b */
    a->next = b;
    b->next = a;
    NOTAIL;
}
int main(void) {
    make();
    scrub();
}
