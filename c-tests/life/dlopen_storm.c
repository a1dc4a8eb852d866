// Threads open and close libraries, look symbols up and walk the list of them, while another collects all the time:
// no lock of the dynamic linker is waited for by a collector that holds its owner.
// plugin: plugins/churn.c
// args: {plugin}
// flags: -ldl -pthread -D_GNU_SOURCE
// timeout: 30
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

static volatile int over;
static const char *path;

static int one(struct dl_phdr_info *info, size_t size, void *n) {
    free(malloc(100));
    return ++*(int *)n, 0;
}
static void *open_and_close(void *arg) {
    for (int i = 0; i < 150; i++) {
        void *plugin = dlopen(path, RTLD_NOW);
        CHECK(plugin);
        int (*work)(void) = (int (*)(void))dlsym(plugin, "plugin_work");
        CHECK(work && work() == 42);
        CHECK(!dlsym(plugin, "not there") && dlerror());
        CHECK(dlclose(plugin) == 0);
    }
    return arg;
}
static void *walk(void *arg) {
    while (!over) {
        int n = 0;
        dl_iterate_phdr(one, &n);
        CHECK(n > 2);
    }
    return arg;
}
static void *collect(void *arg) {
    int (*collect)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "gleaner_collect");
    for (int i = 0; !over; i++) {
        free(malloc(300000));
        if (collect) collect();
        usleep(200);
    }
    return arg;
}

int main(int argc, char **argv) {
    path = argv[1];
    pthread_t t[4];
    CHECK(pthread_create(&t[0], NULL, open_and_close, NULL) == 0);
    CHECK(pthread_create(&t[1], NULL, open_and_close, NULL) == 0);
    CHECK(pthread_create(&t[2], NULL, walk, NULL) == 0);
    CHECK(pthread_create(&t[3], NULL, collect, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        if (i == 2) over = 1;
        CHECK(pthread_join(t[i], NULL) == 0);
    }
}
