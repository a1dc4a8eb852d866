// A library with a header of its own: asks when it is loaded, and when the process ends.
#include "check.h"
#include <gleaner.h>

static uint64_t weak;
static char *object;
static struct gleaner_scope scope;
static int called;

static void count(uintptr_t at, size_t size, uintptr_t argument) {
    (void)at, (void)size, (void)argument;
    called++;
}
static int done(int status) { return status == 0 || (status == GLEANER_ABSENT && !gleaner_is_present()); }

__attribute__((constructor)) static void begin(void) {
    object = malloc(100);
    CHECK(object && done(gleaner_pin(object)) && done(gleaner_weak_make(object, &weak)));
    CHECK(done(gleaner_scope_open(&scope)) && done(gleaner_scope_pin(&scope, object)));
    CHECK(done(gleaner_add_cleanup(object, count, 0, 0, NULL)));
    gleaner_collect();
}
__attribute__((destructor)) static void end(void) {
    gleaner_collect();
    CHECK(done(gleaner_unpin(object)) && done(gleaner_scope_close(&scope)));
    CHECK(!gleaner_is_present() || gleaner_weak_get(weak) == object);
    CHECK(done(gleaner_weak_drop(weak)));
    free(object);
    gleaner_run_cleanups();
    CHECK(called == gleaner_is_present());
}
const void *plugin_table(void) { return gleaner_table(); }
