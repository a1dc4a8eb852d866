// A plugin that was closed before the end: its function is still named.
// plugin: plugins/leaky.c
// args: {plugin}
// flags: -ldl
// leak: plugin_leak @plugin 333 1 direct
#include "plant.h"
#include <dlfcn.h>

static NOINLINE void use(const char *path) {
    void *plugin = dlopen(path, RTLD_NOW);
    CHECK(plugin != NULL);
    void (*work)(void) = (void (*)(void))dlsym(plugin, "plugin_leak");
    work();
    CHECK(dlclose(plugin) == 0);
    CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
}
int main(int argc, char **argv) {
    use(argv[1]);
    scrub();
}
