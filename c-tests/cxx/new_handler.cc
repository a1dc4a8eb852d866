// A new handler is called, again and again, until it gives up or memory is found.
#include "check.h"
#include <new>

static int calls;
static void give_up_at_third() {
    if (++calls == 3) std::set_new_handler(nullptr);
}

int main() {
    std::set_new_handler(give_up_at_third);
    bool thrown = false;
    try {
        OPAQUE(::operator new(OPAQUE(size_t(1) << 60)));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && calls == 3);
    calls = 0;
    std::set_new_handler(give_up_at_third);
    CHECK(::operator new(OPAQUE(size_t(1) << 60), std::nothrow) == nullptr);
    CHECK(calls == 3);
}
