// A program that frees everything, and one block kept in a global: no report, status its own.
// status: 0
#include "plant.h"

static char *volatile kept;
int main(void) {
    kept = malloc(100);
    for (int i = 0; i < 10000; i++) free(malloc(i));
    scrub();
}
