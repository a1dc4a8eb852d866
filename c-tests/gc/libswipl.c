// A library that is known to keep addresses before its blocks: while it is loaded nothing is reclaimed. The plugin has this program's name.
// modes: gc
// native: no
// plugin: plugins/churn.c
// args: {plugin}
// flags: -ldl -pthread
// gleaner: min_growth=1g
#include "check.h"
#include <dlfcn.h>
#include <gleaner.h>
#include <malloc.h>

enum { N = 100, SIZE = 1000 };
static __attribute__((noinline)) void lose(void) {
    for (int i = 0; i < N; i++) memset(malloc(SIZE), 1, SIZE);
}
int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW);
    CHECK(library != NULL);
    lose();
    clear_stack();
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 8; i++) CHECK(gleaner_collect() == EINPROGRESS);
    CHECK(mallinfo2().uordblks >= before);
    CHECK(dlclose(library) == 0);
    for (int i = 0; i < 5; i++) CHECK(gleaner_collect() == 0);
    CHECK(mallinfo2().uordblks + (N - 4) * SIZE < before);
}
