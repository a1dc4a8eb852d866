// Runs one program and writes down what it took, for `gleaner bench`.
//
//     meter RESULT SECONDS measure|check [NAME=VALUE…] -- PROGRAM ARGUMENT…
//
// RESULT gets lines of a word and values: how the program ended, its time by the clock, and what it and all its
// descendants took. After SECONDS (0: never) it is killed. What it leaves running is killed, too, so that it does
// not disturb the next one.
//
// A small program of its own, because the kernel counts the memory of whoever forks in the peak of what is executed.
// `check` looks, before the program ends, which files are mapped into it (RESULT.maps); it needs ptrace, which slows
// signals down and takes rights away: what is measured runs without.
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *result;
static int checks;
static pid_t program;
static int ended, status;
static struct timespec start, end;

static void wrong(const char *what) {
    fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* User instructions of the program and of all that it starts. */
static int count_instructions(pid_t pid) {
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = PERF_COUNT_HW_INSTRUCTIONS;
    attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    attr.disabled = attr.enable_on_exec = attr.inherit = attr.exclude_kernel = attr.exclude_hv = 1;
    int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void copy_maps(void) {
    char path[4096], text[65536];
    snprintf(path, sizeof path, "/proc/%d/maps", program);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s.maps", result);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (ssize_t n; from >= 0 && to >= 0 && (n = read(from, text, sizeof text)) > 0;)
        if (write(to, text, (size_t)n) != n) break;
    close(from);
    close(to);
}

/* A traced program has stopped: at its exec, at its end, or for a signal, which it gets. */
static void stopped(int how) {
    int event = how >> 16, number = 0;
    if (event == PTRACE_EVENT_EXIT) copy_maps();
    else if (!event) number = WSTOPSIG(how);
    static int begun;
    if (!begun) {
        begun = 1;
        number = 0;
        ptrace(PTRACE_SETOPTIONS, program, 0, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
    }
    ptrace(PTRACE_CONT, program, 0, number);
}

/* Takes note of whoever ended; 0 when there is nobody any more. */
static int reap(int flags) {
    for (;;) {
        int how;
        pid_t pid = waitpid(-1, &how, flags | __WALL);
        if (pid < 0) return errno == EINTR;
        if (pid == 0) return 1;
        if (pid != program) continue;
        if (WIFSTOPPED(how)) {
            if (checks) stopped(how);
        } else {
            clock_gettime(CLOCK_MONOTONIC, &end);
            ended = 1, status = how;
        }
        if (ended && !flags) return 1;
    }
}

/* Orphans come to us: the subreaper. */
static void kill_the_rest(void) {
    for (int rounds = 0; reap(WNOHANG) && rounds < 1000; rounds++) {
        char text[4096];
        int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
        ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
        close(file);
        text[length > 0 ? length : 0] = 0;
        for (char *at = text, *next; ; at = next) {
            long pid = strtol(at, &next, 10);
            if (next == at) break;
            kill((pid_t)pid, SIGKILL);
        }
        if (program > 0) kill(-program, SIGKILL);
        usleep(1000);
    }
}

/* Starts the program; its instruction counter, or a negative errno. */
static int begin(char **line) {
    int go[2], failed[2];
    if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC)) wrong("pipe");
    program = fork();
    if (program < 0) wrong("fork");
    if (program == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setpgid(0, 0);
        char c;
        if (read(go[0], &c, 1) != 1) _exit(125);
        if (checks) ptrace(PTRACE_TRACEME, 0, 0, 0);
        for (; strcmp(*line, "--"); line++) putenv(*line);
        execvp(line[1], line + 1);
        int why = errno;
        _exit(write(failed[1], &why, sizeof why) == sizeof why ? 127 : 125);
    }
    setpgid(program, program);
    int instructions = count_instructions(program);
    close(failed[1]);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (write(go[1], "g", 1) != 1) wrong("pipe");
    int why;
    if (read(failed[0], &why, sizeof why) == sizeof why) {
        errno = why;
        while (strcmp(*line, "--")) line++;
        wrong(line[1]);
    }
    return instructions;
}

static void write_down(const char *how, int instructions) {
    FILE *out = fopen(result, "w");
    if (!out) wrong(result);
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    if (how) fprintf(out, "%s\n", how);
    else if (WIFSIGNALED(status)) fprintf(out, "signal %d\n", WTERMSIG(status));
    else fprintf(out, "exit %d\n", WEXITSTATUS(status));
    fprintf(out, "wall_ns %lld\n", (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec);
    fprintf(out, "user_us %lld\n", used.ru_utime.tv_sec * 1000000LL + used.ru_utime.tv_usec);
    fprintf(out, "sys_us %lld\n", used.ru_stime.tv_sec * 1000000LL + used.ru_stime.tv_usec);
    fprintf(out, "peak_kib %ld\nminor_faults %ld\nmajor_faults %ld\n", used.ru_maxrss, used.ru_minflt, used.ru_majflt);
    struct { unsigned long long value, enabled, running; } count;
    if (instructions >= 0 && read(instructions, &count, sizeof count) == sizeof count && count.running)
        fprintf(out, "instructions %.0f\n", (double)count.value * ((double)count.enabled / (double)count.running));
    else fprintf(out, "no_instructions %d\n", instructions < 0 ? -instructions : 0);
    if (fclose(out)) wrong(result);
}

int main(int argc, char **argv) {
    int marker = 4;
    while (marker < argc && strcmp(argv[marker], "--")) marker++;
    if (argc < 6 || marker + 1 >= argc) {
        fprintf(stderr, "usage: meter RESULT SECONDS measure|check [NAME=VALUE...] -- PROGRAM ARGUMENT...\n");
        return 2;
    }
    result = argv[1];
    checks = !strcmp(argv[3], "check");
    struct timespec limit = {atol(argv[2]), 0}, *wait = limit.tv_sec ? &limit : NULL;
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD), sigaddset(&awaited, SIGINT), sigaddset(&awaited, SIGTERM), sigaddset(&awaited, SIGHUP);
    sigprocmask(SIG_BLOCK, &awaited, NULL);
    /* Inherited, it would have the kernel reap for us. */
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* Whoever wants to know is gone: so are we, and what we run. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int instructions = begin(argv + 4);
    const char *how = NULL;
    while (reap(WNOHANG), !ended) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (wait) {
            limit.tv_sec = atol(argv[2]) - (now.tv_sec - start.tv_sec);
            if (limit.tv_sec <= 0) how = "timeout";
        }
        int got = how ? 0 : sigtimedwait(&awaited, NULL, wait);
        if (got > 0 && got != SIGCHLD) how = "interrupted";
        if (how) break;
    }
    if (!ended) clock_gettime(CLOCK_MONOTONIC, &end);
    kill_the_rest();
    write_down(how, instructions);
}
