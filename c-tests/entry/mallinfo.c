// mallinfo2 follows what the program does: 40 MB more in use show up, and go away again.
#include "check.h"
#include <malloc.h>

static size_t in_use(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

int main(void) {
    enum { N = 40 };
    void *p[N];
    size_t before = in_use();
    for (int i = 0; i < N; i++) CHECK((p[i] = malloc(1 << 20)) != NULL);
    size_t during = in_use();
    CHECK(during >= before + ((size_t)N << 20));
    CHECK(during < before + ((size_t)N << 20) * 5 / 4);
    for (int i = 0; i < N; i++) free(p[i]);
    CHECK(in_use() < before + (4 << 20));
    static void *q[100000];
    for (int i = 0; i < 100000; i++) q[i] = malloc(64);
    CHECK(in_use() >= before + 6400000);
    for (int i = 0; i < 100000; i++) free(q[i]);
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo old = mallinfo();
    CHECK(old.uordblks >= 0);
}
