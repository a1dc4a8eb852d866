// Asking for the cleanups' thread is answered once and for all, in the child of fork again; nothing is due, nothing runs.
// flags: -pthread
#include "check.h"
#include <gleaner.h>
#include <sys/wait.h>

int main(void) {
    int answer = gleaner_is_present() ? 0 : GLEANER_ABSENT;
    for (int i = 0; i < 3; i++) CHECK(gleaner_cleanup_thread() == answer);
    CHECK(gleaner_run_cleanups() == 0);
    gleaner_collect();
    pid_t child = fork();
    if (child == 0) {
        CHECK(gleaner_cleanup_thread() == answer);
        gleaner_collect();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}
