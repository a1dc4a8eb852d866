// Held by a slot of argv, which lies in no section of the program.
// args: one two
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static NOINLINE void put(char **argv) { argv[1] = hold(500); }
int main(int argc, char **argv) {
    put(argv);
    scrub_();
    churn();
    check_held();
    CHECK(intact(argv[1], 500, 99));
}
