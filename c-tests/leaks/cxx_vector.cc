// Raw pointers in a std::vector whose destructor does not free them.
// leak: lose @here 480 10 direct
#include "plant.h"
#include <vector>

struct Thing { char c[48]; };
static NOINLINE void lose() {
    std::vector<Thing *> v;
    v.reserve(16);
    for (int i = 0; i < 10; i++) {
        v.push_back(new Thing); /* @here */
        v.back()->c[0] = 1;
    }
}
int main() {
    lose();
    scrub();
}
