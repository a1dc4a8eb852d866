/* Runs a piece of the program in a child, and gives its wait status and what it wrote to stderr. */
#ifndef ENDS_H
#define ENDS_H
#include "plant.h"
#include <signal.h>
#include <sys/wait.h>

static char said[1 << 16];

/* The child executes this program again, with `word` as its argument: it is no child of fork any more. */
static inline int run_again(const char *word) {
    int ends[2], status;
    size_t have = 0;
    ssize_t n;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "program", word, (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    while (have + 1 < sizeof said && (n = read(ends[0], said + have, sizeof said - have - 1)) > 0) have += n;
    said[have] = 0;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}
/* How often `word` stands in what was said. */
static inline int count(const char *word) {
    int n = 0;
    for (const char *at = said; (at = strstr(at, word)); at++) n++;
    return n;
}
static NOINLINE void lose(void) {
    volatile char *p = malloc(100);
    *p = 1;
}
#define REPORT "ERROR: LeakSanitizer: detected memory leaks"
#endif
