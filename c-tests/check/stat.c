// `gleaner stat`: figures of a running program, once, as JSON, and again and again; it is not stopped, and no call of it fails.
// modes: gc leak
// native: no
// gleaner[gc]: min_growth=1m
// gleaner: min_growth=1m
#include "plant.h"
#include "visitor.h"
#include <poll.h>

static char text[1 << 16];
static void *volatile kept;

static long number(const char *name) {
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(text, key);
    if (!at) dprintf(2, "no %s: %s\n", name, text);
    CHECK(at);
    return atol(at + strlen(key));
}
static void has(const char *wanted) {
    if (!strstr(text, wanted)) dprintf(2, "not \"%s\": %s\n", wanted, text);
}
static void serve(int gc, int begun) {
    kept = memset(malloc(3 << 20), 1, 3 << 20);
    if (gc)
        for (int i = 0; i < 20000; i++) memset(malloc(1000), 1, 1000);
    CHECK(write(begun, "", 1) == 1);
    for (;;) CHECK(poll(NULL, 0, 50) == 0);
}
int main(void) {
    int gc = !strcmp(getenv("MODE"), "gc"), ends[2];
    char byte;
    pid_t child;
    CHECK(pipe(ends) == 0 && (child = fork()) >= 0);
    if (child == 0) serve(gc, ends[1]);
    CHECK(read(ends[0], &byte, 1) == 1);

    CHECK(visit_do("stat", child, text, sizeof text) == 0);
    has(gc ? ", mode gc\n" : ", mode leak\n");
    has("M live, ");
    CHECK(visit_do("stat --json", child, text, sizeof text) == 0);
    CHECK(!strncmp(text, "{\"version\":1,\"pid\":", 19) && text[strlen(text) - 1] == '\n' && strchr(text, '\n') == strrchr(text, '\n'));
    CHECK(number("pid") == child && number("heap_live_bytes") >= 3 << 20);
    CHECK(number("heap_mapped_bytes") + number("heap_huge_bytes") >= number("heap_live_bytes"));
    CHECK((number("cycles") > 0) == gc && (number("reclaimed_bytes") > 1 << 20) == gc && number("reclaims") == gc);
    CHECK(number("calls_not_begun_again") == 0);
    CHECK(visit_do("stat -i 0.25 -n 3", child, text, sizeof text) == 0);
    has("    live     free   cycles");
    int lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    CHECK(lines == 4);

    int status;
    CHECK(waitpid(child, &status, WNOHANG) == 0 && kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    CHECK(visit_do("stat", child, text, sizeof text) == 1);
    has("there is no process ");
}
