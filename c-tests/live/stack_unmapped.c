// A coroutine's stack, one mapping with that of another, is unmapped by the other, which goes on allocating; in a second
// thread, too. The outermost frame of each has the return address 0.
#include "live.h"
#include <pthread.h>
#include <sys/mman.h>

enum { STACK = 256 << 10 };
static __thread void *outer, *lower, *upper;
static __thread char *stacks;
static __thread int done;

/* Leaves the stack, whose pointer is put into *from, for that of `to`. */
void leave(void **from, void *to);
asm(".text\n.globl leave\n.type leave, @function\nleave:\n.cfi_startproc\n"
    "push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, (%rdi); mov %rsi, %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
    "ret\n.cfi_endproc\n.size leave, .-leave\n");

static void *begin(char *stack, void (*body)(void)) {
    void **top = (void **)(stack + STACK) - 8;
    top[6] = (void *)body;
    return top;
}
static NOINLINE char *deep(int levels) {
    char *p = levels ? deep(levels - 1) : malloc(48);
    asm volatile("" ::: "memory");
    return p;
}
static void on_upper(void) {
    for (int i = 0; i < 3; i++) free(deep(20));
    leave(&upper, lower);
}
static void on_lower(void) {
    free(deep(3));
    leave(&lower, upper);
    CHECK(munmap(stacks + STACK, STACK) == 0);
    for (int i = 0; i < 3; i++) free(deep(3 + i));
    done = 1;
    leave(&lower, outer);
}
static void *run(void *unused) {
    (void)unused;
    stacks = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stacks != MAP_FAILED);
    lower = begin(stacks, on_lower);
    upper = begin(stacks + STACK, on_upper);
    leave(&outer, lower);
    CHECK(done);
    free(deep(8));
    munmap(stacks, STACK);
    free(deep(8));
    return NULL;
}
int main(void) {
    run(NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}
