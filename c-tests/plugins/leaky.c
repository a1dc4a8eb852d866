// Loses a block.
#include <stdlib.h>

void plugin_leak(void) {
    volatile char *p = malloc(333); /* @plugin */
    *p = 1;
}
