// Without RTTI the class of a lost object is told by the symbol of its vtable.
// flags: -fno-rtti
// leak: make @widget 32 2 direct
// leak: lose @table 16 1 direct
// told[leak]:   2 objects of ns::Widget
#include "plant.h"

namespace ns {
struct Widget {
    virtual int size() { return 1; }
    long x = 1;
};
}
/* What looks like a vtable and is C's. */
static int first(void) { return 1; }
static int (*const operations[])(void) = { nullptr, nullptr, first, first };

static NOINLINE void make() {
    ns::Widget *w = new ns::Widget; /* @widget */
    asm volatile("" : : "r"(w) : "memory");
}
static NOINLINE void lose() {
    volatile int n = 2;
    for (int i = 0; i < n; i++) make();
    const void **c = (const void **)malloc(16); /* @table */
    c[0] = &operations[2];
    asm volatile("" : : "r"(c) : "memory");
}
int main() {
    lose();
    scrub();
}
