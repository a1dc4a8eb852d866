// Two call sites of one allocating function are two groups.
// leak: one @one 30 1 direct
// leak: other @other 40 1 direct
#include "plant.h"

static NOINLINE void *make(size_t n) {
    void *volatile p = malloc(n);
    return p;
}
static NOINLINE void one(void) {
    *(volatile char *)make(30) = 1; /* @one */
}
static NOINLINE void other(void) {
    *(volatile char *)make(40) = 1; /* @other */
}
int main(void) {
    one();
    other();
    scrub();
}
