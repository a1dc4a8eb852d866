// A free of the place some pages behind the only block, where no block ever was.
// native: no
// status: SIGABRT
// stderr: gleaner: free: invalid pointer *: no block was ever handed out there
#include "check.h"

int main(void) {
    char *p = malloc(200);
    free(OPAQUE(p + 208 * 80));
    dprintf(2, "still alive\n");
}
