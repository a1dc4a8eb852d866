// A library that is known to keep addresses before its blocks: while it is loaded nothing is reclaimed.
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
static __attribute__((noinline)) void clear_stack(void) {
    volatile char room[20000];
    memset((char *)room, 0, sizeof room);
}
int main(int argc, char **argv) {
    char folder[] = "/tmp/gleaner-hiding-XXXXXX", file[64], command[4200];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/libswipl.so.9", folder);
    snprintf(command, sizeof command, "cp '%s' %s", argv[1], file);
    CHECK(system(command) == 0);
    void *library = dlopen(file, RTLD_NOW);
    CHECK(library && unlink(file) == 0 && rmdir(folder) == 0);
    lose();
    clear_stack();
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 8; i++) CHECK(gleaner_collect() == EINPROGRESS);
    CHECK(mallinfo2().uordblks >= before);
    CHECK(dlclose(library) == 0);
    for (int i = 0; i < 5; i++) CHECK(gleaner_collect() == 0);
    CHECK(mallinfo2().uordblks + (N - 4) * SIZE < before);
}
