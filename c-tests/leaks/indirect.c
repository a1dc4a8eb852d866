// A lost structure, and what only it points to.
// leak: make @outer 64 1 direct
// leak: make @inner 100 1 indirect
// leak: make @name 15 1 indirect
#include "plant.h"

struct thing { char *data, *name; char rest[48]; };
static NOINLINE struct thing *make(void) {
    struct thing *t = malloc(sizeof *t); /* @outer */
    t->data = malloc(100); /* @inner */
    t->name = malloc(15); /* @name */
    strcpy(t->name, "a lost name");
    return t;
}
static NOINLINE void use(void) { make()->rest[0] = 1; }
int main(void) {
    use();
    scrub();
}
