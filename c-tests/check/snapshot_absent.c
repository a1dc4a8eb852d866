// Memory that forks do not get, and memory that they get empty, holds the only pointers: the program is stopped for the next check, and no live object is called lost.
// modes: leak
// native: no
// gleaner: marking=snapshot
// timeout: 60
#include "served.h"

/* As large as the first thing that a copy needs for itself: it must not lie in the hole. */
enum { SIZE = 65536 };
static void ***kept;
static int advice;
static volatile sig_atomic_t wanted;
static void want(int signal) {
    (void)signal;
    wanted = 1;
}
static void begin(void) {
    kept = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 100; i++) kept[i] = malloc(64);
    CHECK(madvise(kept, SIZE, advice) == 0);
    signal(SIGUSR1, want);
    lose();
    scrub();
}
static void serve(void) {
    usleep(1000);
    if (wanted) CHECK(madvise(kept, SIZE, advice == MADV_DONTFORK ? MADV_DOFORK : MADV_KEEPONFORK) == 0);
}

int main(void) {
    const int advices[] = {MADV_DONTFORK, MADV_WIPEONFORK};
    for (int i = 0; i < 2; i++) {
        advice = advices[i];
        pid_t child = served(begin, serve);
        for (int n = 0; n < 2; n++) visited(child, "no copy could be made: some memory is not copied");
        kill(child, SIGUSR1);
        usleep(100000);
        visited(child, "a copy of the program was marked in ");
        ended(child);
    }
}
