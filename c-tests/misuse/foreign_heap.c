// A block of glibc's own heap (as a plugin opened with RTLD_DEEPBIND would get) can be given to our free and realloc.
// plugin: plugins/deepbind.c
// args: {plugin}
// flags: -ldl
// native: yes
#include "check.h"
#include <dlfcn.h>

int main(int argc, char **argv) {
    CHECK(argc == 2);
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
    CHECK(plugin != NULL);
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_malloc");
    void (*drop)(void *) = (void (*)(void *))dlsym(plugin, "plugin_free");
    CHECK(make && drop);
    for (size_t size = 1; size < 4000000; size *= 3) {
        char *theirs = make(size), *ours = malloc(size);
        CHECK(theirs && ours);
        fill(theirs, size, 1);
        CHECK((theirs = realloc(theirs, size + 50)) != NULL);
        CHECK(intact(theirs, size, 1));
        free(theirs);
        drop(ours);
        free(make(size));
        drop(malloc(size));
    }
    dlclose(plugin);
}
