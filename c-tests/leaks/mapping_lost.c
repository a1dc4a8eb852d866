// Mappings whose only pointer is gone: anonymous, shared, of a file, closed, and two of one call.
// gleaner: mappings=yes
// leak: lose @anonymous 12288 1 mapping
// leak: lose @shared 8192 1 mapping
// leak: lose @file 4096 1 mapping
// leak: lose @closed 1048576 1 mapping
// leak: twice @twice 40960 2 mapping
#include "plant.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int open_file(void) {
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static NOINLINE void lose(void) {
    int rw = PROT_READ | PROT_WRITE, fd = open_file();
    char *a = mmap(NULL, 12288, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @anonymous */
    char *b = mmap(NULL, 8192, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* @shared */
    char *c = mmap64(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0); /* @file */
    char *d = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @closed */
    CHECK(a != MAP_FAILED && b != MAP_FAILED && c != MAP_FAILED && d != MAP_FAILED);
    a[4096] = b[0] = 1;
    /* Words in a mapping that lead to itself. */
    memcpy(a + 64, &a, sizeof a);
    NOTAIL;
}
static volatile int rounds = 2;
static char *volatile kept;
static NOINLINE void twice(int n) {
    char *p = mmap(NULL, 20480, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @twice */
    CHECK(p != MAP_FAILED);
    p[0] = (char)n;
    NOTAIL;
}
int main(void) {
    /* The lost ones lie just below one that is not. */
    kept = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(kept != MAP_FAILED);
    lose();
    for (int i = 0; i < rounds; i++) twice(i);
    /* Given back, by libc and by a raw call: nothing to tell. */
    for (int i = 0; i < 2; i++) {
        void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED);
        if (i) CHECK(syscall(SYS_munmap, p, 4096) == 0);
        else CHECK(munmap(p, 4096) == 0);
    }
    scrub();
}
