// Where nothing is lost for sure, the status is the program's own, and the report says so.
// status[leak]: 7
// stderr[leak]: ...
// told[leak]: *gleaner: nothing is lost for sure; 71 byte(s) in 1 object(s) may be*
// told[leak]: Possible leak of 71 byte(s) in 1 object(s) allocated from:
// status: 7
#include "plant.h"

static uintptr_t boxed;
NOINLINE static void tag(void) {
    boxed = (uintptr_t)malloc(71) | (uintptr_t)0xfffb << 48;
    NOTAIL;
}

int main(void) {
    tag();
    scrub();
    __asm__ volatile("" : : "r"(&boxed) : "memory");
    return 7;
}
