// mmap, munmap in the middle, mremap, MAP_FIXED over own maps, madvise and mprotect behave as the kernel's own.
#include "check.h"
#include <sys/mman.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

int main(void) {
    char *p = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
    CHECK(p != MAP_FAILED);
    fill(p, 64 * PAGE, 5);
    CHECK(munmap(p + 10 * PAGE, 10 * PAGE) == 0);
    CHECK(mmap(p + 12 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + 12 * PAGE);
    CHECK(p[12 * PAGE] == 0);
    CHECK(mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
    CHECK(p[0] == 0 && p[4 * PAGE] == (char)(5 * 31 + 4 * PAGE * 7));
    CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    CHECK(mprotect(p + 30 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(madvise(p + 40 * PAGE, PAGE, MADV_DONTNEED) == 0 && p[40 * PAGE] == 0);
    char *q = mremap(p + 50 * PAGE, 14 * PAGE, 1000 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q[0] == (char)(5 * 31 + 50 * PAGE * 7) && q[999 * PAGE] == 0);
    CHECK(mremap(q, 1000 * PAGE, 10 * PAGE, 0) == q);
    char *hole = mmap(NULL, 10 * PAGE, PROT_NONE, ANON, -1, 0);
    CHECK(mremap(q, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole) == hole);
    CHECK(hole[0] == (char)(5 * 31 + 50 * PAGE * 7));
    CHECK(munmap(hole, 10 * PAGE) == 0 && munmap(p, 50 * PAGE) == 0);
    errno = 0;
    CHECK(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL);
    errno = 0;
    CHECK(munmap((void *)1, PAGE) == -1 && errno == EINVAL);
    int file = memfd_create("x", 0);
    CHECK(ftruncate(file, 4 * PAGE) == 0);
    char *shared = mmap64(NULL, 4 * PAGE, RW, MAP_SHARED, file, 0);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, file, 0);
    shared[7] = 3;
    CHECK(private[7] == 3);
    private[7] = 4;
    CHECK(shared[7] == 3);
    CHECK(munmap(shared, 4 * PAGE) == 0 && munmap(private, 4 * PAGE) == 0);
}
