// Lost C++ objects are told with their classes, by their vtables: those of an array, of a template, and of a class without a name outside.
// leak: make @widget 72 3 direct
// leak: lose @array 176 1 direct
// leak: lose @held 32 1 indirect
// leak: lose @holder 24 1 direct
// leak: lose @plain 48 1 direct
// told[leak]:   2 objects of ns::Widget
// told[leak]:   1 object of ns::Gadget
// told[leak]:   1 object of ns::Gadget []
// told[leak]:   1 object of ns::Box<(anonymous namespace)::Part>
#include "plant.h"
#include <new>

namespace ns {
struct Widget {
    virtual ~Widget() {}
    virtual int size() { return 1; }
    long x = 1;
    void *next = nullptr;
};
struct Gadget : Widget {
    int size() override { return 2; }
};
template <class T> struct Box {
    virtual ~Box() {}
    T held;
};
}
namespace {
struct Part { long a, b, c; };
}
/* One call makes objects of two classes. */
static NOINLINE void make(bool other) {
    void *p = ::operator new(24); /* @widget */
    ns::Widget *w = other ? new (p) ns::Gadget : new (p) ns::Widget;
    asm volatile("" : : "r"(w) : "memory");
}
static NOINLINE void lose() {
    volatile int n = 3;
    for (int i = 0; i < n; i++) make(i == 2);
    ns::Gadget *array = new ns::Gadget[7](); /* @array */
    asm volatile("" : : "r"(array) : "memory");
    void **holder = new void *[3](); /* @holder */
    asm volatile("" : : "r"(holder) : "memory");
    holder[1] = new ns::Box<Part>(); /* @held */
    asm volatile("" : : : "memory");
    char *plain = new char[48]; /* @plain */
    memset(plain, 1, 48);
    asm volatile("" : : "r"(plain) : "memory");
}
int main() {
    lose();
    scrub();
}
