// Mappings that are never told: stacks, code, devices, and what lies where the program said.
// gleaner: mappings=yes
#include "plant.h"
#include <fcntl.h>
#include <sys/mman.h>

static NOINLINE void lose(void) {
    int rw = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    CHECK(zero >= 0);
    CHECK(mmap(NULL, 8192, rw, anonymous | MAP_STACK, -1, 0) != MAP_FAILED);
    CHECK(mmap(NULL, 8192, rw | PROT_EXEC, anonymous, -1, 0) != MAP_FAILED);
    CHECK(mmap(NULL, 8192, rw, MAP_PRIVATE, zero, 0) != MAP_FAILED);
    CHECK(mmap((void *)0x200000000000, 8192, rw, anonymous | MAP_FIXED, -1, 0) != MAP_FAILED);
    char *code = mmap(NULL, 8192, rw, anonymous, -1, 0);
    CHECK(code != MAP_FAILED && mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    NOTAIL;
}
int main(void) {
    lose();
    scrub();
}
