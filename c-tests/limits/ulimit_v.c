// Under `ulimit -v 100000` (KB) the program has most of its address space; past it malloc gives NULL and ENOMEM, and frees help.
// shell: ulimit -v 100000; exec {exe}
#include "check.h"

int main(void) {
    enum { MAX = 100 };
    char *p[MAX];
    int n = 0;
    while (n < MAX && (p[n] = malloc(1 << 20))) memset(p[n++], 1, 1 << 20);
    CHECK(n >= 60);
    CHECK(n < MAX && errno == ENOMEM);
    for (int i = 0; i < n; i++) free(p[i]);
    int again = 0;
    while (again < MAX && (p[again] = malloc(1 << 20))) again++;
    CHECK(again >= n - 2);
    for (int i = 0; i < again; i++) free(p[i]);
    static void *small[700000];
    int k = 0;
    while (k < 700000 && (small[k] = malloc(64))) k++;
    CHECK(k > 500000);
    while (k > 0) free(small[--k]);
    CHECK((p[0] = malloc(30 << 20)) != NULL);
    free(p[0]);
}
