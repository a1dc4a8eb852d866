// What holds what: a direct leak tells what it alone keeps, what others lead to as well, and that it stands for a cycle.
// leak: list @list 1600 100 indirect
// leak: main @head 24 1 direct
// leak: other @other 8 1 direct
// leak: name @name 20 1 indirect
// leak: name @name 20 1 indirect
// leak: ring @ring 64 2 direct
// leak: ring @ring 64 2 indirect
// told[leak]:   keeps 1620 bytes in 101 more objects
// told[leak]:   leads to 20 bytes in 1 more object, as other leaks do
// told[leak]:   the roots of 2 cycles
// told[leak]:   keeps 64 bytes in 2 more objects
#include "plant.h"

struct node { struct node *next; char *name; };
struct head { struct node *first; char *own, *shared; };

static NOINLINE char *name(void) {
    char *p = malloc(20); /* @name */
    NOTAIL;
    return p;
}
static NOINLINE struct node *list(int n) {
    struct node *first = NULL;
    for (int i = 0; i < n; i++) {
        struct node *one = calloc(1, sizeof *one); /* @list */
        one->next = first;
        first = one;
    }
    return first;
}
static NOINLINE void ring(void) {
    void **volatile last = NULL;
    for (volatile int i = 0; i < 2; i++) {
        void **one = calloc(1, 32); /* @ring */
        if (last) {
            one[0] = last;
            last[1] = one;
        }
        last = one;
    }
    last = NULL;
}
static NOINLINE void other(char *shared) {
    char **one = malloc(8); /* @other */
    *one = shared;
    NOTAIL;
}
int main(void) {
    struct head *volatile head = calloc(1, sizeof *head); /* @head */
    head->first = list(100);
    head->own = name();
    head->shared = name();
    other(head->shared);
    head = NULL;
    for (volatile int i = 0; i < 2; i++) ring();
    scrub();
}
