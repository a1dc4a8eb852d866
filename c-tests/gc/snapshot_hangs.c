// A copy that somebody stops is waited for a while; then the program collects without it, and by copies again when it has ended.
// modes: gc
// native: no
// flags: -pthread
// gleaner: marking=snapshot:min_growth=1g:deadline=20:cgroup=0:stats=yes
// timeout: 60
// stderr: ...
// told: gleaner: gc: collections: stopped, since no copy could be made, another one is at work: *
// told: gleaner: gc: revived * resurrected 0
#include "check.h"
#include "gleaner.h"
#include "unseen.h"
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 500, LOST = 4000 };
static __attribute__((noinline)) void lose(void) {
    for (int i = 0; i < LOST; i++) memset(malloc(SIZE), 1, SIZE);
}
static size_t in_use(void) { return mallinfo2().uordblks; }

static volatile int stopped;
/* What a file of a process says first; else `what` stays. */
static void said(int pid, const char *file, const char *how, void *what) {
    char path[64];
    sprintf(path, "/proc/%d/%s", pid, file);
    FILE *f = fopen(path, "r");
    if (!f) return;
    if (fscanf(f, how, what) != 1) errno = 0;
    fclose(f);
}
/* Stops a copy: it is one by what it says of itself, and the process that makes it says nothing yet. */
static void *hunt(void *unused) {
    while (!stopped) {
        int pid = first_child(), score = 0;
        char state = 'Z';
        if (pid <= 0) continue;
        said(pid, "oom_score_adj", "%d", &score);
        if (score != 1000 || kill(pid, SIGSTOP) != 0) continue;
        usleep(20000);
        said(pid, "stat", "%*d %*s %c", &state);
        if (state == 'T')
            stopped = pid;
        else
            kill(pid, SIGCONT);
    }
    return NULL;
}

int main(void) {
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    static void **chain;
    for (int i = 0; i < 1500000; i++) {
        void **link = malloc(40);
        *link = chain;
        chain = link;
    }
    size_t before = in_use();
    lose();
    pthread_t t;
    CHECK(pthread_create(&t, NULL, hunt, NULL) == 0);
    int why = 0;
    for (int i = 0; i < 100 && why == 0; i++) why = gleaner_collect();
    pthread_join(t, NULL);
    CHECK(why == ETIMEDOUT && stopped > 0);
    lose();
    for (int i = 0; i < 3; i++) CHECK(gleaner_collect() == 0);
    CHECK(in_use() < before + (size_t)LOST * SIZE / 2);
    CHECK(kill(stopped, SIGCONT) == 0);
    usleep(500000);
    lose();
    struct gleaner_figures s;
    for (int i = 0; i < 3; i++) CHECK(gleaner_collect() == 0);
    CHECK(gleaner_stats(&s, sizeof s) == 0 && in_use() < before + (size_t)LOST * SIZE / 2);
    return 0;
}
