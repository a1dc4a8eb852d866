// The library that holds a cleanup stays loaded after its dlclose.
// plugin: plugins/cleaner.c
// args: {plugin}
#include "foreign.h"
#include <dlfcn.h>

static int ran;

static __attribute__((noinline)) void prepare(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    CHECK(library);
    int (*adopt)(int *) = (int (*)(int *))dlsym(library, "adopt_from_here");
    CHECK(adopt && adopt(&ran) == (gleaner_is_present() ? 0 : GLEANER_ABSENT));
    CHECK(dlclose(library) == 0);
    library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    CHECK(!library == !gleaner_is_present());
    if (library) dlclose(library);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    prepare(argv[1]);
    collect(), collect();
    CHECK(ran == collects());
    return 0;
}
