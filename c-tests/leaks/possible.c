// What only words in disguise lead to may be in use: it is told apart from what is lost, with all that it leads to.
// leak: tag @tagged 71 1 possible
// leak: pack @packed 73 1 possible
// leak: pack @below 39 1 possible
// leak: pack @below 40 1 possible
// leak: lose @lost 83 1 direct
#include "plant.h"
#include <string.h>

static uintptr_t boxed;
static struct __attribute__((packed)) {
    char sort;
    void *value;
} message;

NOINLINE static void tag(void) {
    void *p = malloc(71); /* @tagged */
    boxed = (uintptr_t)p | (uintptr_t)0xfffb << 48;
    NOTAIL;
}
NOINLINE static void pack(void) {
    char *p = malloc(73); /* @packed */
    /* What it leads to: by a word as others are, and by one in disguise. */
    char *below[2];
    for (int i = 0; i < 2; i++) below[i] = memset(malloc(39 + i), 0, 39); /* @below */
    memset(p, 0, 73);
    memcpy(p + 8, &below[0], sizeof below[0]);
    memcpy(below[0] + 11, &below[1], sizeof below[1]);
    memset(below, 0, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
    message.value = p;
    NOTAIL;
}
NOINLINE static void lose(void) {
    void *volatile p = malloc(83); /* @lost */
    (void)p;
    NOTAIL;
}

int main(void) {
    tag();
    pack();
    lose();
    scrub();
    __asm__ volatile("" : : "r"(&boxed), "r"(&message) : "memory");
    return 0;
}
