// A leak check that found nothing is the last one: what is lost later is not reported at exit. The program may turn checks off altogether.
// native: no
// flags: -rdynamic
#include "check.h"

void __lsan_do_leak_check(void) __attribute__((weak));
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
static int off;
int __lsan_is_turned_off(void) { return off; }

static __attribute__((noinline)) void lose(void) {
    memset(malloc(100), 1, 100);
}
int main(int argc, char **argv) {
    __lsan_do_leak_check();
    lose();
    off = 1;
    CHECK(__lsan_do_recoverable_leak_check() == 0);
    return 0;
}
