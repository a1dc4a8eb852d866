// Held by the data of a plugin: static, and thread-local of the dynamic kind.
// plugin: plugins/holder.c
// args: {plugin}
// flags: -ldl
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <dlfcn.h>

static NOINLINE void put(const char *path) {
    void *plugin = dlopen(path, RTLD_NOW);
    CHECK(plugin != NULL);
    ((void (*)(void *))dlsym(plugin, "plugin_hold"))(hold(222));
    ((void (*)(void *))dlsym(plugin, "plugin_hold_tls"))(hold(333));
}
int main(int argc, char **argv) {
    put(argv[1]);
    scrub_();
    churn();
    check_held();
}
