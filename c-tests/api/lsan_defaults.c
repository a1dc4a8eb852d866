// The status that the program's default options for LeakSanitizer ask for; leaks of functions that its suppressions name are not reported.
// native: no
// flags: -rdynamic
// status[leak]: 9
// stderr[leak]: ...
#include "check.h"

const char *__lsan_default_options(void) { return "report_objects=1:exitcode=9"; }
const char *__lsan_default_suppressions(void) { return "# known\nleak:known_*_leak\n"; }

static __attribute__((noinline)) void known_small_leak(void) {
    memset(malloc(100), 1, 100);
}
static __attribute__((noinline)) void unknown(void) {
    memset(malloc(200), 1, 200);
}
int main(void) {
    known_small_leak();
    unknown();
    return 0;
}
