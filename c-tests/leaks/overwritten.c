// A global pointer is overwritten three times, from three call sites: three groups.
// leak: set @here 60 1 direct
// leak: set @here 70 1 direct
// leak: set @here 70 1 direct
#include "plant.h"

static char *current;
static NOINLINE void set(const char *text) {
    current = calloc(1, strlen(text) == 3 ? 60 : 70); /* @here */
    strcpy(current, text);
    NOTAIL;
}
int main(void) {
    set("one");
    set("two.");
    set("four.");
    set("six");
    scrub();
    return current[0] == 's' ? 0 : 1;
}
