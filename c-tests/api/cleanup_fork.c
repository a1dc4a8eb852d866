// A child has copies of what is registered and due, but for what belongs to its parent alone; nothing is called at exit.
// native: no
#include "check.h"
#include <gleaner.h>
#include <sys/wait.h>

static int called[3];
static void note(uintptr_t address, size_t size, uintptr_t argument) { called[argument]++; }
static void at_exit(uintptr_t address, size_t size, uintptr_t argument) { _exit(9); }
static pid_t grandchild;
static void forks(uintptr_t address, size_t size, uintptr_t argument) {
    called[2]++;
    grandchild = fork();
}

int main(void) {
    int status;
    char *a = malloc(10), *b = malloc(10), *c = malloc(10), *d = malloc(10);
    CHECK(gleaner_add_cleanup(a, note, 0, 0, NULL) == 0);
    CHECK(gleaner_add_cleanup(b, note, 1, GLEANER_THIS_PROCESS, NULL) == 0);
    CHECK(gleaner_add_cleanup(c, note, 0, 0, NULL) == 0);
    CHECK(gleaner_add_cleanup(d, note, 1, GLEANER_THIS_PROCESS, NULL) == 0);
    free(a);
    free(b);
    pid_t child = fork();
    free(c);
    free(d);
    CHECK(gleaner_run_cleanups() == (child ? 4 : 2));
    CHECK(called[0] == 2 && called[1] == (child ? 2 : 0));
    if (!child) exit(0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    /* fork inside a cleanup: in the child it is over, and not called again. */
    CHECK(gleaner_add_cleanup(a = malloc(10), forks, 0, 0, NULL) == 0);
    free(a);
    CHECK(gleaner_run_cleanups() == 1 && gleaner_run_cleanups() == 0 && called[2] == 1);
    if (!grandchild) exit(0);
    CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);

    CHECK(gleaner_add_cleanup(a = malloc(10), at_exit, 0, 0, NULL) == 0);
    free(a);
    return 0;
}
