// Cleanups that do odd things, called here and on the thread: exit, fork, longjmp, allocate, pin, adopt, cancel themselves; a process that ends meanwhile.
// native: no
// flags: -pthread
#include "check.h"
#include <dirent.h>
#include <gleaner.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>

static int called, inside;
static uint64_t own;
static jmp_buf out;

static int threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = -2;
    CHECK(tasks);
    while (readdir(tasks)) count++;
    closedir(tasks);
    return count;
}
/* A dead object with the cleanup. */
static __attribute__((noinline)) uint64_t dead(gleaner_cleanup_function function, uintptr_t argument) {
    uint64_t handle;
    void *p = malloc(64);
    CHECK(p && gleaner_add_cleanup(p, function, argument, 0, &handle) == 0);
    free(p);
    return handle;
}
static void wait_for(int *what, int value) {
    for (int i = 0; i < 4000 && __atomic_load_n(what, __ATOMIC_ACQUIRE) < value; i++) usleep(1000);
    CHECK(__atomic_load_n(what, __ATOMIC_ACQUIRE) == value);
}
static void count(uintptr_t at, size_t size, uintptr_t by) {
    (void)at, (void)size;
    __atomic_fetch_add(&called, (int)by, __ATOMIC_ACQ_REL);
}
static void leave(uintptr_t at, size_t size, uintptr_t status) {
    (void)at, (void)size;
    exit((int)status);
}
static void jump(uintptr_t at, size_t size, uintptr_t value) {
    (void)at, (void)size;
    longjmp(out, (int)value);
}
static void linger(uintptr_t at, size_t size, uintptr_t unused) {
    (void)at, (void)size, (void)unused;
    __atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
    for (;;) {
        free(malloc(100));
        usleep(100);
    }
}
static void busy(uintptr_t at, size_t size, uintptr_t depth) {
    GLEANER_SCOPE(scope);
    void *block = malloc(1000), *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t handle;
    (void)at, (void)size;
    CHECK(block && page != MAP_FAILED);
    CHECK(gleaner_pin(block) == 0 && gleaner_scope_pin(&scope, block) == 0 && gleaner_unpin(block) == 0);
    CHECK(gleaner_adopt(page, 4096, GLEANER_SCAN, count, 0, &handle) == 0 && gleaner_disown(handle) == 0);
    CHECK(munmap(page, 4096) == 0);
    CHECK(own == 0 || gleaner_cancel(own) == GLEANER_QUEUED);
    int status = gleaner_collect();
    CHECK(status == 0 || status == ENOSYS);
    free(block);
    if (depth) dead(busy, depth - 1);
    else dead(count, 1);
    /* What became due is not called by one that is being called; asking for it is allowed. */
    gleaner_run_cleanups();
}
static void forks(uintptr_t at, size_t size, uintptr_t unused) {
    (void)at, (void)size, (void)unused;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(threads() == 1);
        free(malloc(10));
        dead(count, 100);
        int before = called;
        CHECK(gleaner_run_cleanups() == 1 && called == before + 100);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    __atomic_fetch_add(&called, 1, __ATOMIC_ACQ_REL);
}

enum { HERE, BY_EXIT, BY_LONGJMP, THREAD_WORKS, THREAD_EXITS, MAIN_RETURNS, MAIN_FORKS, SCENES };
static const int ends[SCENES] = {[BY_EXIT] = 7, [THREAD_EXITS] = 8, [MAIN_RETURNS] = 9};

static int scene(int which) {
    CHECK(threads() == 1);
    if (which >= THREAD_WORKS) CHECK(gleaner_cleanup_thread() == 0 && gleaner_cleanup_thread() == 0 && threads() == 2);
    switch (which) {
    case HERE:
        own = dead(busy, 3);
        CHECK(gleaner_run_cleanups() >= 1);
        while (gleaner_run_cleanups()) {}
        CHECK(called == 1 && gleaner_cancel(own) == GLEANER_DONE);
        dead(forks, 0);
        CHECK(gleaner_run_cleanups() == 1 && called == 2 && threads() == 1);
        break;
    case BY_EXIT:
        dead(leave, 7);
        gleaner_run_cleanups();
        return 1;
    case BY_LONGJMP:
        own = dead(jump, 1);
        dead(count, 1);
        if (setjmp(out) == 0) gleaner_run_cleanups();
        CHECK(gleaner_cancel(own) == GLEANER_QUEUED && gleaner_run_cleanups() == 1 && called == 1);
        CHECK(gleaner_cancel(own) == GLEANER_QUEUED);
        break;
    case THREAD_WORKS:
        dead(busy, 3);
        wait_for(&called, 1);
        dead(forks, 0);
        wait_for(&called, 2);
        break;
    case THREAD_EXITS:
        dead(leave, 8);
        for (;;) pause();
    case MAIN_RETURNS:
        dead(linger, 0);
        wait_for(&inside, 1);
        return 9;
    case MAIN_FORKS:
        dead(linger, 0);
        wait_for(&inside, 1);
        dead(count, 1);
        pid_t child = fork();
        CHECK(child >= 0);
        int status;
        if (child != 0) {
            CHECK(waitpid(child, &status, 0) == child && status == 0 && called == 0);
            break;
        }
        /* The thread is gone, and what it called; what was due is the child's, too. */
        usleep(20000);
        CHECK(threads() == 1 && called == 0 && gleaner_run_cleanups() == 1 && called == 1);
        CHECK(gleaner_cleanup_thread() == 0 && threads() == 2);
        dead(count, 1);
        wait_for(&called, 2);
        break;
    }
    return 0;
}

int main(void) {
    for (int i = 0; i < SCENES; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) return scene(i);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != ends[i]) fprintf(stderr, "scene %d: %x\n", i, (unsigned)status);
    }
    return 0;
}
