// cgroup=: near the limit of its control group, or where tasks wait for memory, a program that leaks is collected early; one that does not is let alone.
// modes: gc
// native: no
// flags: -D_GNU_SOURCE
// timeout: 60
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A file system of ours lies where that of control groups is mounted: the process's own group, and one above. */
static char folder[300], above[300], point[300];

static void put(const char *where, const char *name, const char *text) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", where, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}
static int find(const char *file, const char *format, char *to) {
    char line[2000];
    FILE *f = fopen(file, "r");
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f))
        if (strstr(line, " - cgroup2 ") || format[0] == '0') found = sscanf(line, format, to);
    if (f) fclose(f);
    return found == 1;
}
static int pretend(void) {
    char own[200] = "";
    if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) return 0;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return 0;
    if (!find("/proc/self/mountinfo", "%*s %*s %*s / %299s", point) || strchr(point, '\\')) return 0;
    if (!find("/proc/self/cgroup", "0::%199s", own) || strstr(own, "..")) return 0;
    if (mount("none", point, "tmpfs", 0, NULL)) return 0;
    snprintf(folder, sizeof folder, "%s", point);
    for (char *name = strtok(own, "/"); name; name = strtok(NULL, "/")) {
        snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/%s", name);
        CHECK(mkdir(folder, 0700) == 0);
    }
    snprintf(above, sizeof above, "%s", point);
    put(folder, "cgroup.controllers", "memory\n");
    return 1;
}

static long resident(void) {
    char text[100] = "";
    int fd = open("/proc/self/statm", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && close(fd) == 0);
    return atol(strchr(text, ' ')) * 4096;
}
static void tell(const char *where, long bytes) {
    char text[30];
    snprintf(text, sizeof text, "%ld\n", bytes);
    put(where, "memory.current", text);
}
#define MB (1L << 20)
static void *volatile kept;
/* Makes garbage; how much the process had at most. */
static __attribute__((noinline)) long leak(const char *where, long bytes) {
    long most = 0;
    for (long done = 0, last = 0; done < bytes; done += 1000) {
        kept = memset(malloc(1000), 1, 1000);
        if (done - last >= MB) {
            long now = resident();
            tell(where, now);
            if (now > most) most = now;
            last = done;
            usleep(1000);
        }
    }
    return most;
}
/* Lives near its limit, with a heap that goes up and down, and nothing to reclaim. */
static void steady(void) {
    static void *all[40];
    for (int i = 0; i < 4000; i++) {
        int at = i * 7 % 40;
        free(all[at]);
        all[at] = i / 40 % 4 == 3 ? NULL : memset(malloc(MB), 1, MB);
        tell(folder, resident() + 50 * MB);
    }
}

static char text[1 << 20];
/* Runs the named part; how often its log has the cause. */
static int causes(const char *part, const char *options, const char *cause) {
    char all[300], log[] = "/tmp/gleaner-cgroup-XXXXXX";
    int status, n = 0, fd = mkstemp(log);
    CHECK(fd >= 0);
    snprintf(all, sizeof all, "mode=gc:min_growth=1g:verbose=3:log=%s:%s", log, options);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(setenv("GLEANER", all, 1) == 0);
        execl("/proc/self/exe", "program", part, folder, above, (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    ssize_t got = read(fd, text, sizeof text - 1);
    CHECK(got >= 0 && close(fd) == 0 && unlink(log) == 0);
    text[got] = 0;
    for (const char *at = text; (at = strstr(at, cause)); at++) n++;
    return n;
}
#define LIMIT "collection (cgroup limit)"
#define WAITS "collection (memory pressure)"

int main(int argc, char **argv) {
    if (argc > 1) {
        snprintf(folder, sizeof folder, "%s", argv[2]);
        snprintf(above, sizeof above, "%s", argv[3]);
        if (!strcmp(argv[1], "own")) CHECK(leak(folder, 500 * MB) < 100 * MB);
        if (!strcmp(argv[1], "above")) CHECK(leak(above, 500 * MB) < 100 * MB);
        if (!strcmp(argv[1], "let")) CHECK(leak(folder, 150 * MB) > 140 * MB);
        if (!strcmp(argv[1], "steady")) steady();
        return 0;
    }
    if (!pretend()) return 0;
    char hundred[30];
    snprintf(hundred, sizeof hundred, "%ld\n", 100 * MB);
    put(folder, "memory.current", "1\n");
    put(folder, "memory.high", "max\n");
    put(folder, "memory.max", hundred);
    CHECK(causes("own", "", LIMIT) >= 5);
    put(folder, "memory.max", "max\n");
    put(folder, "memory.high", hundred);
    CHECK(causes("own", "", LIMIT) >= 5);
    CHECK(causes("let", "cgroup=0", "collection (") == 0);
    /* Pages of files are not what fills it. */
    put(folder, "memory.stat", "anon 1\ninactive_file 800000000\nactive_file 2\n");
    CHECK(causes("let", "", "collection (") == 0);
    put(folder, "memory.stat", "anon 1\n");
    CHECK(causes("steady", "", LIMIT) <= 4);
    put(folder, "memory.high", "max\n");
    if (strcmp(folder, above)) {
        put(above, "memory.max", hundred);
        CHECK(causes("above", "", LIMIT) >= 5);
        put(above, "memory.max", "max\n");
    }
    put(folder, "memory.pressure", "some avg10=9.99 avg60=0.00 avg300=0.00 total=1\nfull avg10=90.00 avg60=0.00 avg300=0.00 total=1\n");
    CHECK(causes("let", "", "collection (") == 0);
    put(folder, "memory.pressure", "some avg10=10.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
    CHECK(causes("", "", WAITS) == 0);
    CHECK(causes("own", "", WAITS) >= 2);
}
