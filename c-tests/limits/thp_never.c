// With `thp=never` no memory of the heap becomes a huge page: small blocks, large ones, those with mappings of their own, and what realloc moved.
// native: no
// gleaner: thp=never
// stdout: small large huge grown
#include "sorts.h"

static void look(const char *what, void *p) {
    memset(kept[count++] = p, 1, 1);
    if (!has_flag(p, "nh") || has_flag(p, "hg")) {
        printf("%s:%s\n", what, smaps_of(p).flags);
        exit(1);
    }
}

int main(void) {
    each_sort(look);
    return 0;
}
