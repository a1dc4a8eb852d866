// realloc: NULL allocates, 0 frees and returns NULL, contents survive growing and shrinking.
#include "check.h"

int main(void) {
    char *p = realloc(NULL, 10);
    CHECK(p && ALIGNED(p, 16));
    fill(p, 10, 3);
    CHECK((p = realloc(p, 100000)) != NULL);
    CHECK(intact(p, 10, 3) && ALIGNED(p, 16));
    CHECK((p = realloc(p, 10)) != NULL);
    CHECK(intact(p, 10, 3));
    CHECK(realloc(p, 0) == NULL);
    void *zero = realloc(NULL, 0);
    CHECK(zero != NULL);
    free(zero);
    static const size_t sizes[] = {1, 15, 16, 17, 100, 1000, 4095, 4096, 4097, 32768, 131072, 600000, 3000000};
    enum { N = sizeof sizes / sizeof *sizes };
    for (int from = 0; from < N; from++)
        for (int to = 0; to < N; to++) {
            char *a = malloc(sizes[from]), *beside = malloc(sizes[from]);
            fill(a, sizes[from], from);
            fill(beside, sizes[from], to + 50);
            CHECK((a = realloc(a, sizes[to])) != NULL);
            CHECK(intact(a, sizes[from] < sizes[to] ? sizes[from] : sizes[to], from));
            memset(a, 1, sizes[to]);
            CHECK(intact(beside, sizes[from], to + 50));
            free(a);
            free(beside);
        }
}
