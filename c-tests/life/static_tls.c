// A library with 1 KiB of initial-exec thread-local storage can still be opened beside ours.
// plugin: plugins/static_tls.c
// args: {plugin}
// flags: -ldl
#include "check.h"
#include <dlfcn.h>

int main(int argc, char **argv) {
    void *plugin = dlopen(argv[1], RTLD_NOW);
    if (!plugin) dprintf(2, "%s\n", dlerror());
    CHECK(plugin != NULL);
    int (*work)(int) = (int (*)(int))dlsym(plugin, "plugin_tls");
    CHECK(work && work(5) == 5);
}
