// The head of a list of 100 nodes is lost: one direct, 99 indirect.
// leak: push @here 32 1 direct
// leak: push @here 3168 99 indirect
#include "plant.h"

struct node { struct node *next; char pad[24]; };
static NOINLINE struct node *push(struct node *head) {
    struct node *n = malloc(sizeof *n); /* @here */
    n->next = head;
    return n;
}
static NOINLINE void build(void) {
    struct node *head = NULL;
    for (int i = 0; i < 100; i++) head = push(head);
    ((volatile struct node *)head)->pad[0] = 1;
}
int main(void) {
    build();
    scrub();
}
