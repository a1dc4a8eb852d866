// Two shared_ptr that hold each other: make_shared's one block each.
// leak: lose @a 40 1 direct
// leak: lose @b 40 1 indirect
#include "plant.h"
#include <memory>

struct Node { std::shared_ptr<Node> other; long x; };
static NOINLINE void lose() {
    auto a = std::make_shared<Node>(); /* @a */
    auto b = std::make_shared<Node>(); /* @b */
    a->other = b;
    b->other = a;
}
int main() {
    lose();
    scrub();
}
