// The second check tells which reachable memory grew since the first, and the third that it goes on, and all are in the timeline; what stays, or comes and goes, is not told.
// modes: leak
// native: no
#include "plant.h"
#include "visitor.h"

static void *kept[4][1000];
static int grown;
static NOINLINE void grow(int n) {
    for (int i = 0; i < n; i++) kept[0][grown++] = malloc(5000);
    NOTAIL;
}
static NOINLINE void settle(void) {
    for (int i = 0; i < 500; i++) kept[1][i] = malloc(3000);
    NOTAIL;
}
static NOINLINE void turn_over(void) {
    for (int i = 0; i < 100; i++) {
        free(kept[2][i]);
        kept[2][i] = malloc(2000);
    }
    NOTAIL;
}

int main(void) {
    static char text[65536];
    settle();
    for (int round = 0; round < 4; round++) {
        usleep(100000);
        grow(20);
        turn_over();
        CHECK(visit(getpid(), "", text, sizeof text) == 0 && strstr(text, "no leaks in "));
        if (round == 0) {
            CHECK(!strstr(text, "Growing"));
            continue;
        }
        char wanted[200];
        snprintf(wanted, sizeof wanted, "Growing, reachable: %d byte(s) in %d object(s), 100000 byte(s) and +20 object(s) more than at the last check", grown * 5000, grown);
        if (!strstr(text, wanted)) dprintf(2, "not \"%s\":\n%s", wanted, text);
        snprintf(wanted, sizeof wanted, "more at %d of %d check(s)", round, round);
        CHECK(strstr(text, wanted) && strstr(text, " in grow "));
        CHECK(!strstr(text, " in settle ") && !strstr(text, " in turn_over "));
    }
    CHECK(visit(getpid(), "--format json", text, sizeof text) == 0 && strstr(text, "\"growth\":[]"));
    /* The timeline has all checks, and who had most. */
    int checks = 0;
    for (const char *at = text; (at = strstr(at, "\"at_ms\"")); at++) checks++;
    if (checks != 5 || !strstr(text, "\"grow, growth.c:") || !strstr(text, "\"settle, growth.c:")) dprintf(2, "%d checks in the timeline:\n%s", checks, text);
}
