// Unless `thp` says otherwise the heap's memory is as the kernel makes it.
// native: no
// gleaner: thp=system
// stdout: small large huge grown
#include "sorts.h"

static void look(const char *what, void *p) {
    memset(kept[count++] = p, 1, 1);
    if (has_flag(p, "nh") || has_flag(p, "hg")) {
        printf("%s:%s\n", what, smaps_of(p).flags);
        exit(1);
    }
}

int main(void) {
    each_sort(look);
    return 0;
}
