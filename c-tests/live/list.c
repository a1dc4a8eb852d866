// A list of 100,000 nodes held by its head: marking does not overflow a stack.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

struct node { struct node *next; long n; };
static struct node *head;
static NOINLINE void put(void) {
    for (long i = 0; i < 100000; i++) {
        struct node *n = malloc(sizeof *n);
        n->next = head;
        n->n = i;
        head = n;
    }
}
int main(void) {
    put();
    scrub_();
    churn();
    long n = 99999;
    for (struct node *p = head; p; p = p->next) CHECK(p->n == n--);
    CHECK(n == -1);
}
