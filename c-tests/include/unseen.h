/* What a program must not see of copies of it that are at work: children, and descriptors that they would keep open. */
#ifndef UNSEEN_H
#define UNSEEN_H
#include "check.h"
#include <sys/socket.h>
#include <sys/wait.h>

static inline void copies_are_unseen(void) {
    int status, ends[2];
    char byte;
    CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
    CHECK(waitpid(-1, &status, __WALL | WNOHANG) == -1 && errno == ECHILD);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    close(ends[1]);
    CHECK(recv(ends[0], &byte, 1, MSG_DONTWAIT) == 0);
    close(ends[0]);
}
/* Where the process inherits orphans its copies are children of it: the first one, or 0. It may have done its work, and wait to be reaped. */
static inline int first_child(void) {
    char path[64], text[4096];
    sprintf(path, "/proc/self/task/%d/children", getpid());
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    return atoi(text);
}
#endif
