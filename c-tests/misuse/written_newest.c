// What the program writes to the blocks that it freed last leads malloc nowhere: each is handed out once, as itself.
// modes: malloc gc
// stdout: alive
#include "check.h"

int main(void) {
    char *p[4], *q[4];
    static char forged[64] __attribute__((aligned(16)));
    for (int i = 0; i < 4; i++) p[i] = malloc(48);
    for (int i = 0; i < 4; i++) free(p[i]);
    if (getenv("GLEANER"))
        for (int i = 0; i < 4; i++) *(void **)OPAQUE(p[i]) = forged;
    for (int i = 0; i < 4; i++) {
        q[i] = malloc(48);
        CHECK(q[i] != forged);
        for (int k = 0; k < i; k++) CHECK(q[i] != q[k]);
    }
    puts("alive");
}
