// A value of `thp` that there is not costs one line.
// native: no
// gleaner: thp=sometimes
// stderr: gleaner: GLEANER: thp=sometimes is not auto, system, never or always; using auto
#include <stdlib.h>
int main(void) {
    free(malloc(1));
    return 0;
}
