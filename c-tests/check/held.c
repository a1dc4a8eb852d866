// What grows tells what holds it: a variable, then the stacks of the objects on the way; not the stale word that one of them has, too.
// modes: leak
// native: no
#include "check.h"
#include "visitor.h"

#define NOINLINE __attribute__((noinline, noclone))
#define NOTAIL __asm__ volatile("" : : : "memory")
struct table { void **rows; long used; };
static struct table *registry;
static void *newest;
static NOINLINE void set_up(void) {
    registry = malloc(sizeof *registry);
    registry->used = 0;
    NOTAIL;
}
static NOINLINE void make_rows(void) {
    registry->rows = calloc(1000, sizeof(void *));
    NOTAIL;
}
static NOINLINE void grow(int n) {
    for (int i = 0; i < n; i++) registry->rows[registry->used++] = newest = malloc(3000);
    NOTAIL;
}

int main(void) {
    static char text[65536];
    set_up();
    make_rows();
    for (int round = 0; round < 3; round++) {
        grow(30);
        CHECK(visit(getpid(), "", text, sizeof text) == 0);
        const char *at = strstr(text, "  held by the variable registry -> set_up, held.c:13 -> make_rows, held.c:18\n");
        if (round > 0 && !at) dprintf(2, "%s", text);
    }
}
