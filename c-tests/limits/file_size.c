// No file may grow and nobody reads stderr: what the library has to say then is lost, and nobody dies of it.
// gleaner: stats=yes:verbose=3:collect_every=64k
#include "check.h"
#include <signal.h>
#include <sys/resource.h>
#include <fcntl.h>

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0 && close(pipes[0]) == 0);
    CHECK(dup2(pipes[1], 2) == 2 && close(pipes[1]) == 0);
    for (int i = 0; i < 100; i++) free(malloc(10000));
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (fd < 0) return 0;
    CHECK(dup2(fd, 2) == 2 && close(fd) == 0);
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    for (int i = 0; i < 100; i++) free(malloc(10000));
}
