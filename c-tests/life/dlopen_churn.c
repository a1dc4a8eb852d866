// A plugin that allocates in its constructor and in thread-local storage is opened and closed 300 times.
// plugin: plugins/churn.c
// args: {plugin}
// flags: -ldl -pthread
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>

static void *use(void *plugin) {
    int (*work)(void) = (int (*)(void))dlsym(plugin, "plugin_work");
    CHECK(work && work() == 42);
    return NULL;
}
int main(int argc, char **argv) {
    for (int i = 0; i < 300; i++) {
        void *plugin = dlopen(argv[1], RTLD_NOW);
        CHECK(plugin != NULL);
        use(plugin);
        pthread_t t;
        CHECK(pthread_create(&t, NULL, use, plugin) == 0);
        CHECK(pthread_join(t, NULL) == 0);
        CHECK(dlclose(plugin) == 0);
        CHECK(dlopen("/nonexistent.so", RTLD_NOW) == NULL && dlerror() != NULL);
    }
}
