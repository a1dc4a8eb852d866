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

/* Begins `gleaner check pid`; what it prints comes out of `out`. */
static inline struct visit visit_begin(pid_t pid, const char *more) {
    const char *library = getenv("LD_PRELOAD");
    char line[4600];
    int ends[2];
    CHECK(library && strrchr(library, '/'));
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    snprintf(line, sizeof line, "exec '%.*s/gleaner' check %s %d 2>&1", (int)(strrchr(library, '/') - library), library, more, (int)pid);
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
#endif
