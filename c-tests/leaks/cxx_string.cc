// A lost std::string and its buffer.
// leak: lose @string 32 1 direct
// leak: lose @buffer 101 1 indirect
#include "plant.h"
#include <string>

static NOINLINE void lose() {
    std::string *s = new std::string; /* @string */
    s->assign(100, 'x'); /* @buffer */
    OPAQUE(s);
}
int main() {
    lose();
    scrub();
}
