// Every form of operator new and delete: plain, array, nothrow, aligned, sized.
#include "check.h"
#include <new>

int main() {
    for (size_t size = 0; size < 100000; size = size * 3 + 1) {
        void *p[8] = {
            ::operator new(size),
            ::operator new[](size),
            ::operator new(size, std::nothrow),
            ::operator new[](size, std::nothrow),
            ::operator new(size, std::align_val_t(64)),
            ::operator new[](size, std::align_val_t(128)),
            ::operator new(size, std::align_val_t(256), std::nothrow),
            ::operator new[](size, std::align_val_t(4096), std::nothrow),
        };
        for (int i = 0; i < 8; i++) {
            CHECK(p[i] && ALIGNED(p[i], 16));
            fill(p[i], size, i);
        }
        CHECK(ALIGNED(p[4], 64) && ALIGNED(p[5], 128) && ALIGNED(p[6], 256) && ALIGNED(p[7], 4096));
        for (int i = 0; i < 8; i++) CHECK(intact(p[i], size, i));
        errno = 5;
        ::operator delete(p[0]);
        ::operator delete[](p[1]);
        ::operator delete(p[2], std::nothrow);
        ::operator delete[](p[3], size);
        ::operator delete(p[4], size, std::align_val_t(64));
        ::operator delete[](p[5], std::align_val_t(128));
        ::operator delete(p[6], std::align_val_t(256), std::nothrow);
        ::operator delete[](p[7], std::align_val_t(4096), std::nothrow);
        CHECK(errno == 5);
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr, std::nothrow);
    void *sized = ::operator new(40);
    ::operator delete(sized, size_t(40));
}
