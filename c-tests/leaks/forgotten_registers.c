// A block's address is in rax when malloc and its kin return, and in no other register that a callee may leave it in: the next lazily bound call would push it, and a leak be held by it.
// modes: leak
#include "check.h"

/* Calls with up to two arguments; true if another register than rax has the address. */
static int elsewhere(void *function, size_t a, size_t b, void **block) {
    size_t regs[8];
    size_t rax = (size_t)function, rdi = a, rsi = b;
    __asm__ volatile("mov %%rsp, %%r12\n sub $256, %%rsp\n and $-16, %%rsp\n call *%%rax\n mov %%r12, %%rsp\n mov %%rcx, 0(%3)\n mov %%rdx, 8(%3)\n mov %%rsi, 16(%3)\n mov %%rdi, 24(%3)\n"
                     "mov %%r8, 32(%3)\n mov %%r9, 40(%3)\n mov %%r10, 48(%3)\n mov %%r11, 56(%3)\n"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi)
                     : "b"(regs)
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    *block = (void *)rax;
    int found = 0;
    for (int i = 0; i < 8; i++) found += regs[i] == rax;
    return found;
}

int main(void) {
    size_t sizes[] = {1, 24, 100, 1000, 5000, 40000, 300000, 3000000};
    for (int i = 0; i < 8; i++) {
        size_t n = sizes[i];
        void *p[4];
        CHECK(!elsewhere((void *)malloc, n, 0, &p[0]));
        CHECK(!elsewhere((void *)calloc, 3, n, &p[1]));
        CHECK(!elsewhere((void *)aligned_alloc, 64, n, &p[2]));
        CHECK(!elsewhere((void *)realloc, 0, n, &p[3]));
        for (int k = 1; k < 4; k++) {
            /* Where it is, or elsewhere: the old place is in rdi before the call. */
            void *grown;
            CHECK(!elsewhere((void *)realloc, (size_t)p[3], n * (size_t)(k + 1) + 64, &grown));
            p[3] = grown;
        }
        for (int k = 0; k < 4; k++) free(p[k]);
    }
}
