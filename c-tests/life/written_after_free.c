// A program that writes to the second word of a block after it freed it lives, as with glibc.
// stdout: alive
#include "check.h"

int main(void) {
    for (int round = 0; round < 1000; round++) {
        long *p[16];
        for (int i = 0; i < 16; i++) p[i] = malloc(48);
        for (int i = 0; i < 16; i++) free(p[i]);
        for (int i = 0; i < 16; i += 3) ((long *)OPAQUE(p[i]))[1]++;
        for (int i = 0; i < 16; i++) {
            p[i] = malloc(48);
            memset(p[i], i, 48);
        }
        for (int i = 0; i < 16; i++) {
            for (int k = 0; k < i; k++) CHECK(p[i] != p[k]);
            CHECK(((char *)p[i])[47] == i);
        }
        for (int i = 0; i < 16; i++) free(p[i]);
    }
    puts("alive");
}
