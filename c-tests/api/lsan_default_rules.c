// A program whose own suppressions name each of its leaks ends as if there were none; so does one whose default options turn the check off.
// native: no
// flags: -rdynamic
// stderr[leak]: ...
#include "check.h"

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
static int off;
const char *__lsan_default_options(void) { return off ? "exitcode=5,detect_leaks=0" : ""; }
const char *__lsan_default_suppressions(void) { return "  leak:lose\nleak:no_such_function"; }

static __attribute__((noinline)) void lose(void) {
    memset(malloc(100), 1, 100);
}
static __attribute__((noinline)) void other(void) {
    memset(malloc(200), 1, 200);
}
int main(void) {
    lose();
    clear_stack();
    CHECK(__lsan_do_recoverable_leak_check() == 0);
    off = 1;
    other();
    clear_stack();
    CHECK(__lsan_do_recoverable_leak_check() == 0);
    return 0;
}
