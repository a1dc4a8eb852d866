/* A child that serves while its parent asks for leak checks of it. */
#ifndef SERVED_H
#define SERVED_H
#include "plant.h"
#include "visitor.h"
#include <sys/mman.h>

static char text[1 << 16];

/* Its number; it is ready. `serve` does one piece of work, until the child is killed. */
static inline pid_t served(void (*begin)(void), void (*serve)(void)) {
    int ends[2];
    pid_t parent = getpid(), child;
    CHECK(pipe(ends) == 0 && (child = fork()) >= 0);
    if (child == 0) {
        begin();
        CHECK(write(ends[1], "", 1) == 1);
        while (getppid() == parent) serve();
        _exit(0);
    }
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    close(ends[0]);
    close(ends[1]);
    return child;
}
static inline void ended(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child);
}
/* A check that finds what `lose` lost once, and nothing else; the report has this note. */
static inline void visited(pid_t child, const char *note) {
    int status = visit(child, "", text, sizeof text);
    if (status != 23 || !strstr(text, note) || !strstr(text, "SUMMARY: LeakSanitizer: 100 byte(s) leaked in 1 allocation(s)") || !strstr(text, " in lose "))
        dprintf(2, "%d, not with \"%s\": %s", status, note, text);
}
static NOINLINE void lose(void) {
    char *volatile p = malloc(100);
    *p = 1;
    p = NULL;
}
#endif
