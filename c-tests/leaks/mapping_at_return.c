// Nothing is called between a function that forgets its mapping and main's return: main's frame and unwind table tell.
// flags: -O0
// leak: lose @here 8192 1 mapping
#include "check.h"
#include <sys/mman.h>

__attribute__((noinline)) static void lose(void) {
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @here */
    CHECK(p != MAP_FAILED);
    p[0] = 1;
}
__attribute__((noinline)) static char *keep(void) {
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
int main(void) {
    char *kept = keep();
    lose();
    return kept[0];
}
