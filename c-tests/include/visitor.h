/* Asks for leak checks from outside: runs `gleaner check`, which stands beside the library. */
#ifndef VISITOR_H
#define VISITOR_H
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

struct visit {
    pid_t pid;
    int out;
};

/* Begins a shell's line, without the library; what it prints comes out of `out`. */
static inline struct visit shell_begin(const char *line) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    struct visit visit = {fork(), ends[0]};
    CHECK(visit.pid >= 0);
    if (visit.pid == 0) {
        unsetenv("LD_PRELOAD");
        unsetenv("GLEANER");
        dup2(ends[1], 1);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    return visit;
}

/* Begins a command of gleaner's that takes a process. */
static inline struct visit visit_of(const char *words, pid_t pid) {
    const char *library = getenv("LD_PRELOAD");
    char line[4600];
    CHECK(library && strrchr(library, '/'));
    snprintf(line, sizeof line, "exec '%.*s/gleaner' %s %d 2>&1", (int)(strrchr(library, '/') - library), library, words, (int)pid);
    return shell_begin(line);
}

/* Begins `gleaner check pid`. */
static inline struct visit visit_begin(pid_t pid, const char *more) {
    char words[4000];
    snprintf(words, sizeof words, "check %s", more);
    return visit_of(words, pid);
}

/* Its status; what it printed goes to `text`. */
static inline int visit_end(struct visit visit, char *text, size_t room) {
    size_t have = 0;
    ssize_t n;
    int status;
    while (have + 1 < room && ((n = read(visit.out, text + have, room - have - 1)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0) have += n;
    text[have] = 0;
    close(visit.out);
    while (waitpid(visit.pid, &status, 0) < 0) CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static inline int visit(pid_t pid, const char *more, char *text, size_t room) {
    return visit_end(visit_begin(pid, more), text, room);
}

static inline int visit_do(const char *words, pid_t pid, char *text, size_t room) {
    return visit_end(visit_of(words, pid), text, room);
}
#endif
