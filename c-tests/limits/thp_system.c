// Unless `thp` says otherwise the heap's memory is as the kernel makes it.
// native: no
// gleaner: thp=system
// stdout: small large huge grown
#include "smaps.h"

static void *volatile kept[100];
static int count;

static void look(const char *what, void *p) {
    memset(kept[count++] = p, 1, 1);
    if (has_flag(p, "nh") || has_flag(p, "hg")) {
        printf("%s:%s\n", what, smaps_of(p).flags);
        exit(1);
    }
}

int main(void) {
    look("small", malloc(100));
    char *p = NULL;
    for (int i = 0; i < 64; i++) {
        p = malloc(500000);
        look("large", p);
    }
    look("large", malloc(6 << 20));
    look("huge", malloc(40 << 20));
    p = realloc(p, 3 << 20);
    look("grown", p);
    look("grown", p + (3 << 20) - 1);
    p = realloc(p, 90 << 20);
    look("grown", p);
    look("grown", p + (90 << 20) - 1);
    puts("small large huge grown");
    return 0;
}
