// operator new, new[], aligned new: an object, an array with a cookie, an over-aligned one.
// leak: lose @one 16 1 direct
// leak: lose @array 168 1 direct
// leak: lose @aligned 128 1 direct
#include "plant.h"

struct Pair { long a, b; };
struct Counted { long x; ~Counted() { if (x == 77) puts("x"); } };
struct alignas(128) Wide { char c[128]; };

static NOINLINE void lose() {
    Pair *p = new Pair; /* @one */
    Counted *q = new Counted[20]; /* @array */
    Wide *w = new Wide; /* @aligned */
    p->a = q[3].x = w->c[0] = 1;
    OPAQUE(p); OPAQUE(q); OPAQUE(w);
}
int main() {
    lose();
    scrub();
}
