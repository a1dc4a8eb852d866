// Where a copy lacks what the program has, cannot be made, or is killed, the program is stopped for the collection; what it has stays, what it dropped goes.
// modes: gc
// native: no
// flags: -pthread
// gleaner: marking=snapshot:min_growth=1g:stats=yes:checkmark=no
// timeout: 60
// stderr: ...
// told: gleaner: gc: collections: * by a copy of the process
// told: gleaner: gc: collections: stopped, since no copy could be made, some memory is not copied (MADV_DONTFORK, MADV_WIPEONFORK): 2
// told: gleaner: gc: collections: stopped, since no copy could be made, the last one did not end its work: *
// told: gleaner: gc: collections: stopped, since no copy could be made, there is adopted memory, or objects with weak handles or cleanups: 1
// told: gleaner: gc: revived * resurrected 0
#include "check.h"
#include "gleaner.h"
#include "unseen.h"
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { N = 2000, SIZE = 500, LOST = 4000 };
static void **kept;
static __attribute__((noinline)) void lose(void) {
    for (int i = 0; i < LOST; i++) memset(malloc(SIZE), 1, SIZE);
}
/* Collects until what was lost is gone. */
static void gone(void) {
    size_t before = mallinfo2().uordblks;
    lose();
    for (int i = 0; i < 2; i++) CHECK(gleaner_collect() == 0);
    CHECK(mallinfo2().uordblks < before + (size_t)LOST * SIZE / 10);
    for (int i = 0; i < N; i++) CHECK(intact(kept[i], SIZE, i));
}

static volatile int over;
/* The copies are this process's children, as it inherits orphans. */
static void *hunt(void *killed) {
    int last = 0;
    while (!over) {
        /* One that has done its work waits to be reaped: it does not count, and cannot be told from here. */
        int pid = first_child();
        if (pid > 0 && pid != last && kill(pid, SIGKILL) == 0) {
            last = pid;
            ++*(volatile int *)killed;
        }
    }
    return NULL;
}

int main(void) {
    kept = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < N; i++) fill(kept[i] = malloc(SIZE), SIZE, i);
    gone();
    const int advices[][2] = {{MADV_DONTFORK, MADV_DOFORK}, {MADV_WIPEONFORK, MADV_KEEPONFORK}};
    for (int i = 0; i < 2; i++) {
        CHECK(madvise(kept, 1 << 16, advices[i][0]) == 0);
        CHECK(gleaner_collect() == 0);
        CHECK(madvise(kept, 1 << 16, advices[i][1]) == 0);
        gone();
    }
    /* A child of fork has none of its parent's copies, and makes its own. */
    pid_t child = fork();
    if (child == 0) {
        gone();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    void *object = malloc(SIZE);
    uint64_t weak;
    CHECK(gleaner_weak_make(object, &weak) == 0 && gleaner_collect() == 0);
    CHECK(gleaner_weak_drop(weak) == 0);
    free(object);

    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    /* Copies take their time. */
    static void **chain;
    for (int i = 0; i < 1500000; i++) {
        void **link = malloc(40);
        *link = chain;
        chain = link;
    }
    pthread_t t;
    int killed = 0;
    CHECK(pthread_create(&t, NULL, hunt, &killed) == 0);
    for (int i = 0; i < 100 && *(volatile int *)&killed < 3; i++) CHECK(gleaner_collect() == 0);
    over = 1;
    pthread_join(t, NULL);
    CHECK(killed >= 3);
    return 0;
}
