// The library whose function is a cleanup stays loaded after its last dlclose.
// native: no
// plugin: plugins/cleanup.c
// args: {plugin}
#include "check.h"
#include <dlfcn.h>
#include <gleaner.h>

int main(int argc, char **argv) {
    static int counter;
    void *library = dlopen(argv[1], RTLD_NOW);
    CHECK(library);
    int (*plug)(void *, int *) = (int (*)(void *, int *))dlsym(library, "plug");
    char *p = malloc(50);
    CHECK(plug(p, &counter) == 0);
    CHECK(dlclose(library) == 0);
    free(p);
    CHECK(gleaner_run_cleanups() == 1 && counter == 1);
    return 0;
}
