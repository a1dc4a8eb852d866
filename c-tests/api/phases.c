// Calls from constructors and destructors, of a library that comes and goes, from a thread's last steps, from exit's handlers.
// flags: -pthread -ldl
// plugin: plugins/asks.c
// args: {plugin}
#include "check.h"
#include <dlfcn.h>
#include <gleaner.h>
#include <pthread.h>

static pthread_key_t key;
static int rounds, handled;

static void ask(void) {
    struct gleaner_scope scope;
    uint64_t handle;
    void *p = malloc(100);
    int status = gleaner_pin(p);
    CHECK(status == 0 || status == GLEANER_ABSENT);
    CHECK(gleaner_unpin(p) == status && gleaner_scope_open(&scope) == status && gleaner_scope_pin(&scope, p) == status);
    CHECK(gleaner_scope_close(&scope) == status && gleaner_weak_make(p, &handle) == status);
    CHECK(gleaner_weak_get(handle) == (status ? NULL : p) && gleaner_weak_drop(handle) == status);
    int collected = gleaner_collect();
    CHECK(collected == 0 || collected == ENOSYS || collected == GLEANER_ABSENT);
    free(p);
    gleaner_run_cleanups();
}
static void last_steps(void *unused) {
    ask();
    if (rounds++ < 2) pthread_setspecific(key, unused);
}
static void *thread(void *unused) {
    CHECK(pthread_setspecific(key, &key) == 0);
    return unused;
}
static void at_exit(void) {
    ask();
    handled++;
}
__attribute__((constructor)) static void begin(void) { ask(); }
__attribute__((destructor)) static void end(void) {
    ask();
    CHECK(handled == 1);
}
int main(int count, char **arguments) {
    CHECK(count == 2 && atexit(at_exit) == 0);
    for (int i = 0; i < 3; i++) {
        void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
        CHECK(library);
        const void *(*table)(void) = (const void *(*)(void))dlsym(library, "plugin_table");
        CHECK(table && table() == gleaner_table());
        gleaner_collect();
        CHECK(dlclose(library) == 0);
        ask();
    }
    pthread_t t;
    CHECK(pthread_key_create(&key, last_steps) == 0);
    CHECK(pthread_create(&t, NULL, thread, NULL) == 0 && pthread_join(t, NULL) == 0 && rounds == 3);
    return 0;
}
