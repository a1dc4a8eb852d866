// The tail of a list is cut off; its first part stays reachable.
// leak: push @here 24 1 direct
// leak: push @here 216 9 indirect
#include "plant.h"

struct node { struct node *next; char pad[16]; };
static struct node *head;
static NOINLINE void push(void) {
    struct node *n = malloc(sizeof *n); /* @here */
    n->next = head;
    head = n;
    NOTAIL;
}
static NOINLINE void cut(void) { head->next->next->next = NULL; }
int main(void) {
    for (int i = 0; i < 13; i++) push();
    cut();
    scrub();
}
