/* For tests of what is the same for blocks of every sort. */
#include "smaps.h"

static void *volatile kept[100];
static int count;

/* Blocks of each sort, and what realloc moved. */
static void each_sort(void (*look)(const char *what, void *p)) {
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
}
