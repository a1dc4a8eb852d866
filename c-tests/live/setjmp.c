// Held by a jmp_buf, while the function that will be jumped back into has its pointer in a register.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <setjmp.h>

static jmp_buf *volatile place;
static NOINLINE void put(void) {
    /* rbx is saved as it is: a word in a jmp_buf that stands in the heap. */
    place = malloc(sizeof *place);
    char *p = hold(450);
    __asm__ volatile("mov %0, %%rbx\n mov %1, %%rdi\n xor %%esi, %%esi\n call __sigsetjmp@PLT\n xor %%ebx, %%ebx\n"
                     : : "r"(p), "r"(place)
                     : "rbx", "rdi", "rsi", "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
}
int main(void) {
    put();
    scrub_();
    churn();
    check_held();
}
