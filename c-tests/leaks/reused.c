// Blocks that were freed and handed out again, by way of a thread's bins: each is told with the size and the stack of who has it
// now. So is one that realloc leaves where it is.
// leak: second @again 45 1 direct
// leak: shrink @less 90 1 direct
#include "plant.h"

static void *volatile kept[200];

static NOINLINE void first(void) {
    for (int i = 0; i < 200; i++) kept[i] = malloc(60);
    for (int i = 0; i < 200; i++) kept[i] = (free(kept[i]), NULL);
    for (int i = 0; i < 200; i++) kept[i] = malloc(110);
    for (int i = 0; i < 200; i++) kept[i] = (free(kept[i]), NULL);
}
static NOINLINE void second(void) {
    char *p = malloc(45); /* @again */
    memset(p, 1, 45);
    NOTAIL;
}
static NOINLINE void shrink(void) {
    char *p = malloc(110);
    p = realloc(p, 90); /* @less */
    memset(p, 1, 90);
    NOTAIL;
}
int main(void) {
    first();
    second();
    shrink();
    scrub();
}
