// Held by the environment only: putenv's own string, setenv's copies, the vector that libc made.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"

static NOINLINE void put(void) {
    char *p = hold(200);
    memcpy(p, "PLACE=", 6);
    for (int i = 6; i < 199; i++) p[i] = 'a';
    p[199] = 0;
    CHECK(putenv(p) == 0);
    char name[32];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "NAME%d", i);
        CHECK(setenv(name, "some value that is long enough", 1) == 0);
    }
}
int main(void) {
    put();
    scrub_();
    churn();
    CHECK(strlen(getenv("PLACE")) == 193 && getenv("PLACE")[192] == 'a');
    CHECK(!strcmp(getenv("NAME49"), "some value that is long enough"));
}
