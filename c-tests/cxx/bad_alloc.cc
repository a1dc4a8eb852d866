// new of too much throws std::bad_alloc, the nothrow forms return null.
#include "check.h"
#include <new>
#include <string>
#include <vector>

template <class F> static bool throws(F f) {
    try {
        f();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

int main() {
    size_t huge = OPAQUE(size_t(1) << 60);
    CHECK(throws([&] { OPAQUE(::operator new(huge)); }));
    CHECK(throws([&] { OPAQUE(::operator new[](huge)); }));
    CHECK(throws([&] { OPAQUE(::operator new(huge, std::align_val_t(64))); }));
    CHECK(throws([&] { OPAQUE(::operator new[](huge, std::align_val_t(64))); }));
    CHECK(::operator new(huge, std::nothrow) == nullptr);
    CHECK(::operator new[](huge, std::nothrow) == nullptr);
    CHECK(::operator new(huge, std::align_val_t(64), std::nothrow) == nullptr);
    CHECK(throws([&] { std::vector<char> v; v.reserve(huge); }));
    std::string still_works(1000, 'x');
    CHECK(still_works.size() == 1000);
}
