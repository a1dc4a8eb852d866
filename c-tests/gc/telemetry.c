// prometheus= and trace=: figures in a file that is replaced as a whole, collections as trace events.
// modes: gc
// native: no
// timeout: 60
#include "check.h"
#include "json.h"
#include <fcntl.h>
#include <gleaner.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char text[1 << 20], folder[] = "/tmp/gleaner-telemetry-XXXXXX";
static char figures[100], trace[100];

static int content(const char *path) {
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 2);
    if (n < 0) return -1;
    CHECK(close(fd) == 0);
    text[n] = 0;
    return 0;
}
/* As a reader may do with an array whose end is missing. */
static void must_be_json(void) {
    strcat(text, "]");
    if (!is_json(text)) dprintf(2, "%s\n", text);
    CHECK(is_json(text));
}
static long sample(const char *name) {
    char line[100];
    snprintf(line, sizeof line, "\n%s{pid=\"", name);
    const char *at = strstr(text, line);
    if (!at) dprintf(2, "no %s: %s\n", name, text);
    CHECK(at && (at = strstr(at, "\"} ")));
    return atol(at + 3);
}
static int count(const char *word) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++) n++;
    return n;
}
static void *volatile kept;
static __attribute__((noinline)) void lose(void) {
    for (int i = 0; i < 1000; i++) kept = memset(malloc(1000), 1, 1000);
    kept = malloc(5000);
}
static void collect(int times) {
    for (int i = 0; i < times; i++) CHECK(gleaner_collect() == 0);
}
/* What the started program does. */
static int work(const char *what) {
    struct rlimit all, none = {1, RLIM_INFINITY};
    if (!strcmp(what, "short")) {
        CHECK(getrlimit(RLIMIT_AS, &all) == 0 && setrlimit(RLIMIT_AS, &none) == 0);
        CHECK(gleaner_collect() == ENOMEM && setrlimit(RLIMIT_AS, &all) == 0);
    }
    if (!strcmp(what, "full")) {
        none.rlim_cur = 300;
        CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    }
    if (!strcmp(what, "move")) CHECK(chdir("/") == 0);
    if (!strcmp(what, "close"))
        for (int i = 0; i < 100; i++) close(i);
    lose();
    if (!strcmp(what, "grow"))
        for (;;) kept = malloc(100000), usleep(1000);
    collect(4);
    if (!strcmp(what, "close")) CHECK(open("/dev/null", O_RDONLY) == 0);
    if (!strcmp(what, "fork")) {
        int status;
        pid_t child = fork();
        if (child == 0) collect(100), exit(0);
        collect(100);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    if (!strcmp(what, "on"))
        for (;;) collect(1);
    return 0;
}
/* Starts it, with `paths` as options; kills it after so many microseconds, if any, or when it has figures. */
static pid_t run(const char *what, const char *paths, int kill_after) {
    char options[400];
    int status;
    snprintf(options, sizeof options, "mode=gc:min_growth=1g:%s", paths);
    pid_t child = fork();
    if (child == 0) {
        CHECK(chdir(folder) == 0 && setenv("GLEANER", options, 1) == 0);
        execl("/proc/self/exe", "program", what, (char *)NULL);
        _exit(99);
    }
    snprintf(figures, sizeof figures, "%s/figures.%d", folder, (int)child);
    snprintf(trace, sizeof trace, "%s/trace.%d", folder, (int)child);
    if (kill_after) {
        struct stat there;
        usleep(kill_after);
        /* Figures may be there before the first collection. */
        const char *last = strcmp(what, "on") ? figures : trace;
        for (int i = 0; i < 400 && (stat(figures, &there) || stat(last, &there)); i++) usleep(10000);
        CHECK(kill(child, SIGKILL) == 0);
    }
    CHECK(waitpid(child, &status, 0) == child && (kill_after ? WIFSIGNALED(status) : status == 0));
    return child;
}
#define EVENT "{\"name\":\"collection\",\"cat\":\"gc\",\"ph\":\"X\","
#define BOTH "prometheus=figures.%p:trace=trace.%p"

int main(int argc, char **argv) {
    if (argc > 1) return work(argv[1]);
    char paths[200], *in[] = {"move", "close", "short"};
    CHECK(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        run(in[i], BOTH, 0);
        CHECK(content(figures) == 0 && sample("gleaner_cycles_total") == 4);
        CHECK(sample("gleaner_heap_live_bytes") >= 5000 && sample("gleaner_reclaimed_bytes_total") > 500000);
        CHECK(strstr(text, "\n# TYPE gleaner_heap_live_bytes gauge\n"));
        CHECK(count(i == 2 ? ",reason=\"no memory\"} 1\n" : ",reason=\"no memory\"} 0\n") == 1);
        CHECK(content(trace) == 0 && text[0] == '[' && count(EVENT) == (i == 2 ? 5 : 4));
        CHECK(count("\"cause\":\"asked for\"") == (i == 2 ? 5 : 4) && count("\"abandoned\":\"no memory\"") == (i == 2));
        CHECK(count("{\"name\":\"mark\",") == 4 && count("{\"name\":\"stopped\",") >= 4);
        must_be_json();
        CHECK(unlink(figures) == 0 && unlink(trace) == 0);
    }
    /* Killed at any time, the file can be read; figures come while the program runs. */
    for (int i = 0; i < 10; i++) {
        run("on", BOTH, 20000 + 3337 * i);
        CHECK(content(trace) == 0);
        must_be_json();
        CHECK(unlink(figures) == 0 && unlink(trace) == 0);
    }
    run("grow", BOTH, 1);
    CHECK(content(figures) == 0 && sample("gleaner_cycles_total") == 0 && unlink(figures) == 0);
    /* Processes with one file. */
    run("fork", "trace=trace", 0);
    snprintf(trace, sizeof trace, "%s/trace", folder);
    CHECK(content(trace) == 0 && count(EVENT) == 204);
    must_be_json();
    CHECK(unlink(trace) == 0);
    /* No room, no such folder, a FIFO that nobody reads, a device. */
    run("full", BOTH, 0);
    CHECK(content(trace) == 0 && text[0] == 0 && content(figures) != 0 && unlink(trace) == 0);
    run("", "prometheus=none/f:trace=none/t", 0);
    snprintf(paths, sizeof paths, "%s/fifo", folder);
    CHECK(mkfifo(paths, 0600) == 0);
    run("", "prometheus=fifo:trace=fifo", 0);
    struct stat there;
    CHECK(lstat(paths, &there) == 0 && S_ISFIFO(there.st_mode) && unlink(paths) == 0);
    /* Nothing else was left there. */
    CHECK(rmdir(folder) == 0);
}
