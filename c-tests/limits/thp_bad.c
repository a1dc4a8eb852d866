// A value of `thp` that there is not costs one line.
// native: no
// gleaner: thp=sometimes
// stderr: gleaner: GLEANER: thp=sometimes is not system, never or always; using system
#include <stdlib.h>
int main(void) {
    free(malloc(1));
    return 0;
}
