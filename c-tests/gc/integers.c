// Plain integers in the roots that fall into the heap are told in the statistics, and how much they may keep by chance; pointers are not taken for them.
// modes: gc
// native: no
// timeout: 60
#include "check.h"
#include <gleaner.h>
#include <sys/wait.h>

#define COUNT 200000
static void *all[COUNT];
static volatile uintptr_t numbers[COUNT * 4];

static long figure(const char *text, const char *name) {
    char quoted[100];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(text, quoted);
    CHECK(at);
    return atol(at + strlen(quoted));
}
/* What the started program does. */
static int work(const char *what) {
    uintptr_t low = UINTPTR_MAX, high = 0;
    uint64_t seed = 42;
    for (int i = 0; i < COUNT; i++) {
        uintptr_t at = (uintptr_t)(all[i] = memset(malloc(100), 0, 100));
        if (at < low) low = at;
        if (at > high) high = at;
    }
    for (int i = 0; i < COUNT; i += 3) {
        free(all[i]);
        if (strcmp(what, "stale")) all[i] = NULL;
    }
    if (!strcmp(what, "numbers"))
        for (int i = 0; i < COUNT * 4; i++) numbers[i] = low + next_random(&seed) % (high - low);
    if (!strcmp(what, "others"))
        for (int i = 0; i < COUNT * 4; i++) numbers[i] = next_random(&seed);
    CHECK(gleaner_collect() == 0);
    return 0;
}
static char text[10000];
/* Runs it, and has what it told at its end. */
static void run(const char *what) {
    char options[200], log[] = "/tmp/gleaner-integers-XXXXXX";
    int status, fd = mkstemp(log);
    CHECK(fd >= 0);
    snprintf(options, sizeof options, "mode=gc:min_growth=1g:stats=json:log=%s", log);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(setenv("GLEANER", options, 1) == 0);
        execl("/proc/self/exe", "program", what, (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    ssize_t got = read(fd, text, sizeof text - 1);
    CHECK(got > 0 && close(fd) == 0 && unlink(log) == 0);
    text[got] = 0;
}

int main(int argc, char **argv) {
    if (argc > 1) return work(argv[1]);
    const char *ordinary[] = {"", "stale", "others"};
    for (int i = 0; i < 3; i++) {
        run(ordinary[i]);
        long words = figure(text, "root_heap_words");
        CHECK(words > COUNT / 2 && words < COUNT * 3 / 2);
        CHECK(figure(text, "root_integers") <= words / 100);
        CHECK(figure(text, "chance_bytes") <= COUNT * 64L / 100);
    }
    run("numbers");
    /* All that fell on the heap, beside two thirds of COUNT pointers. */
    long words = figure(text, "root_heap_words"), integers = figure(text, "root_integers");
    CHECK(words > COUNT * 3 && integers > words * 6 / 10 && integers < words);
    CHECK(figure(text, "chance_bytes") > COUNT * 2 / 3 * 64L);
}
