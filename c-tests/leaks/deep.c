// Thirty frames deep, through recursion and a callback from libc.
// leak: compare @here 24 1 direct
#include "plant.h"

static int done;
static NOINLINE int compare(const void *a, const void *b) {
    if (!done) {
        done = 1;
        volatile char *p = malloc(24); /* @here */
        *p = 1;
    }
    return *(const int *)a - *(const int *)b;
}
static NOINLINE void down(int n) {
    int list[4] = {n, 3, 2, 1};
    if (n > 0)
        down(n - 1);
    else
        qsort(list, 4, sizeof *list, compare);
    NOTAIL;
}
int main(void) {
    down(30);
    scrub();
}
