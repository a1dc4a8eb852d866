// Ten thousand mappings of the program's own and a heap of a million blocks: nothing slows down to a crawl.
// timeout: 60
#include "check.h"
#include <sys/mman.h>

int main(void) {
    enum { MAPS = 10000, BLOCKS = 1000000 };
    static char *map[MAPS];
    static void *block[BLOCKS];
    for (int i = 0; i < MAPS; i++) {
        map[i] = mmap(NULL, 8192, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(map[i] != MAP_FAILED);
        if (!(i & 1)) map[i][0] = 1;
    }
    for (int i = 0; i < BLOCKS; i++) CHECK((block[i] = malloc(16 + i % 100)) != NULL);
    for (int i = 0; i < MAPS; i++) CHECK(munmap(map[i], 8192) == 0);
    for (int i = 0; i < BLOCKS; i++) free(block[i]);
}
