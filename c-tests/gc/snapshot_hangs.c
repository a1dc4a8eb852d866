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
/* The copies are this process's children, as it inherits orphans. The one in between ends soon: that is none. */
static void *hunt(void *unused) {
    char path[64], text[4096];
    sprintf(path, "/proc/self/task/%d/children", getpid());
    while (!stopped) {
        FILE *f = fopen(path, "r");
        size_t n = fread(text, 1, sizeof text - 1, f);
        text[n] = 0;
        fclose(f);
        char name[64], state = 'Z';
        int pid = atoi(text);
        if (pid <= 0 || kill(pid, SIGSTOP) != 0) continue;
        usleep(20000);
        sprintf(name, "/proc/%d/stat", pid);
        if ((f = fopen(name, "r"))) {
            if (fscanf(f, "%*d %*s %c", &state) != 1) state = 'Z';
            fclose(f);
        }
        if (state == 'T' && atoi(text) == pid)
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
