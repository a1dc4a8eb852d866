// A check in a copy of the program: it sees no child and no signal, closed connections end at once, and what moves between shared and own memory meanwhile is no leak.
// modes: leak
// native: no
// gleaner: marking=snapshot
// timeout: 60
#include "served.h"
#include "unseen.h"
#include <poll.h>

enum { N = 2000, LIVE = 20000 };
static void **shared, **own, *volatile live[LIVE];
static volatile sig_atomic_t signals;
static void on_child(int signal) {
    (void)signal;
    signals++;
}
static void begin(void) {
    struct sigaction action = {.sa_handler = on_child};
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    shared = mmap(NULL, N * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    own = mmap(NULL, N * sizeof *own, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < N; i++) shared[i] = malloc(40);
    for (int i = 0; i < LIVE; i++) live[i] = malloc(500);
    lose();
    scrub();
}
static void serve(void) {
    static int round;
    /* Every pointer is in one place only at a time. */
    void **from = round & 1 ? own : shared, **to = round & 1 ? shared : own;
    for (int i = 0; i < N; i++) {
        to[i] = from[i];
        from[i] = NULL;
    }
    round++;
    copies_are_unseen();
    CHECK(signals == 0);
}

int main(void) {
    pid_t child = served(begin, serve);
    for (int i = 0; i < 5; i++) visited(child, "a copy of the program was marked in ");
    ended(child);
}
