// Outstanding pins are told with place and age; what only pins lead to is no leak, and told apart; so is a scope that is lost.
// native: no
// modes: leak gc
// stderr[gc]: gleaner: 2 pins of 111 bytes at 0x*, freed and held, * ms and * collections old, from 0x* (*pin_report+0x*)
// stderr[gc]: gleaner: 1 pin of 3071 bytes at 0x*, * ms and * collections old, from 0x* (*pin_report+0x*)
// stderr[gc]: gleaner: scope at 0x* with 0 pins, * ms old, from 0x* (*pin_report+0x*)
// stderr[leak]: gleaner: only pins lead to * bytes in 3 objects
// stderr[leak]: gleaner: 2 pins of 111 bytes at 0x*, freed and held, * ms and 0 collections old, from 0x* (*pin_report+0x*)
// stderr[leak]: gleaner: 1 pin of 3071 bytes at 0x*, * ms and 0 collections old, from 0x* (*pin_report+0x*)
// stderr[leak]: gleaner: scope at 0x* with 0 pins, lost: nobody can close it, * ms old, from 0x* (*pin_report+0x*)
#include "check.h"
#include <gleaner.h>

static __attribute__((noinline)) void plant(void) {
    char *a = malloc(111), **b = malloc(3000);
    CHECK(gleaner_pin(a) == 0 && gleaner_pin(a) == 0);
    free(a);
    *b = malloc(500);
    CHECK(gleaner_pin(b) == 0);
    struct gleaner_scope *s = malloc(sizeof *s);
    CHECK(gleaner_scope_open(s) == 0);
    s->word = 0;
    free(s);
}
int main(void) {
    plant();
    if (!strcmp(getenv("MODE"), "gc")) gleaner_report_pins(2);
    return 0;
}
