// Beyond `max_heap` operator new calls the handler that the program set, which may free, and then throws bad_alloc.
// native: no
// gleaner: max_heap=32m
// stdout: handler called, bad_alloc, again
// stderr: *the heap has reached max_heap=33554432: no memory for * bytes
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

static char *reserve;
static int called;

static void handler() {
    called++;
    if (!reserve) throw std::bad_alloc();
    delete[] reserve;
    reserve = nullptr;
}

int main() {
    std::set_new_handler(handler);
    reserve = new char[8 << 20];
    std::vector<char *> blocks;
    blocks.reserve(1000);
    bool thrown = false;
    try {
        for (;;) blocks.push_back(new char[1 << 20]);
    } catch (std::bad_alloc &) {
        thrown = true;
    }
    size_t had = blocks.size();
    for (char *p : blocks) delete[] p;
    char *again = new char[24 << 20];
    std::memset(again, 1, 24 << 20);
    delete[] again;
    if (called == 2 && thrown && had >= 28 && had <= 31) std::puts("handler called, bad_alloc, again");
    else std::printf("%d %d %zu\n", called, thrown, had);
    return 0;
}
