// At exit no cleanup runs, whether it is due or not; exec and _exit know nothing of them.
#include "foreign.h"

static void never(uintptr_t at, size_t size, uintptr_t arg) { dprintf(2, "a cleanup ran\n"); }
static __attribute__((noinline)) void prepare(void) {
    gleaner_adopt(map(PAGE), PAGE, GLEANER_NOSCAN, never, 0, 0);
    gleaner_adopt(map(PAGE), PAGE, GLEANER_SCAN, never, 0, 0);
}

int main(int argc, char **argv) {
    if (argc > 1) return 0;
    prepare();
    for (int i = 0; i < 3; i++) forget(), gleaner_collect();
    pid_t child = fork();
    if (child == 0) execl("/proc/self/exe", argv[0], "again", (char *)0), _exit(9);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    if ((child = fork()) == 0) _exit(0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}
