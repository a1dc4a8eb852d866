// malloc_stats writes to stderr, and only when it is called.
// stderr: ...
#include "check.h"
#include <fcntl.h>
#include <malloc.h>

int main(void) {
    char name[] = "/tmp/gleaner-stats-XXXXXX";
    int file = mkstemp(name), saved = dup(2);
    CHECK(file >= 0);
    dup2(file, 2);
    malloc_stats();
    fflush(stderr);
    dup2(saved, 2);
    CHECK(lseek(file, 0, SEEK_END) > 0);
    unlink(name);
}
