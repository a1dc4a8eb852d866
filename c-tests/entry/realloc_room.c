// The buffer that grows again and again stays where it is; strings made by a few steps each take no more memory for that; what shrinks gives its room back.
#include "check.h"
#include <malloc.h>

static char *grown(size_t end, int seed, int *moves) {
    char *p = NULL;
    for (size_t size = 16, before = 0;; before = size, size += size / 2) {
        if (size > end) size = end;
        char *q = realloc(p, size);
        CHECK(q && intact(q, before, seed));
        fill(q, size, seed);
        *moves += q != p;
        p = q;
        if (size == end) return p;
    }
}

int main(void) {
    int plain = getenv("GLEANER") && (!strcmp(getenv("MODE"), "malloc") || !strcmp(getenv("MODE"), "gc"));
    int moves = 0;
    for (int i = 0; i < 100; i++) free(grown(60000, i, &moves));
    CHECK(!plain || moves < 600);

    /* Two side by side: neither is taken for the other. */
    char *a = NULL, *b = NULL;
    for (size_t size = 16, before = 0; size < 100000; before = size, size += size / 3) {
        CHECK((a = realloc(a, size)) && intact(a, before, 1));
        fill(a, size, 1);
        CHECK((b = realloc(b, 2 * size)) && intact(b, 2 * before, 2));
        fill(b, 2 * size, 2);
    }
    free(a);
    free(b);

    /* What shrinks leaves its slot, and grows again. */
    for (int i = 0; i < 50; i++) {
        char *p = grown(30000, i, &moves);
        CHECK((p = realloc(p, 100)) && intact(p, 100, i) && (!plain || malloc_usable_size(p) < 256));
        CHECK((p = realloc(p, 5000)) && intact(p, 100, i));
        free(p);
    }

    enum { STRINGS = 40000, LENGTH = 500 };
    static char *strings[STRINGS];
    long before = status_kib("VmRSS");
    for (int i = 0; i < STRINGS; i++) strings[i] = grown(LENGTH, i, &moves);
    long taken = status_kib("VmRSS") - before;
    CHECK(!plain || taken < STRINGS / 1024 * LENGTH * 5 / 4 + 2048);
    for (int i = 0; i < STRINGS; i++) {
        CHECK(intact(strings[i], LENGTH, i));
        free(strings[i]);
    }
}
