// A write into a freed block must not make malloc hand out an address of the writer's choice.
// native: no
// status: SIGABRT
// stderr: gleaner: *
#include "check.h"

int main(void) {
    static char target[256];
    char *p[64];
    for (int i = 0; i < 64; i++) p[i] = malloc(64);
    for (int i = 0; i < 64; i++) free(p[i]);
    for (int i = 0; i < 64; i++) *(void **)OPAQUE(p[i]) = target;
    for (int i = 0; i < 4096; i++) {
        char *q = malloc(64);
        if (q >= target && q < target + sizeof target) {
            dprintf(2, "malloc returned the forged address\n");
            return 1;
        }
    }
    dprintf(2, "not noticed\n");
}
