// Held by the stack of a coroutine of a hand-written switch; collections run while the program is on that stack.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>

__attribute__((naked, noinline)) static void switch_to(void **save, void *load) {
    __asm__("push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
            "mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
            "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");
}
static void *main_sp, *coroutine_sp;
static NOINLINE void body(void) {
    char *volatile p = hold(800);
    scrub_();
    churn();
    CHECK(intact(p, 800, 99));
    switch_to(&coroutine_sp, main_sp);
    abort();
}
int main(void) {
    char *volatile on_main = malloc(640);
    fill(on_main, 640, 5);
    char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **top = (void **)(stack + 65536 - 64);
    *--top = NULL;
    *--top = (void *)body;
    for (int i = 0; i < 6; i++) *--top = NULL;
    switch_to(&main_sp, top);
    CHECK(intact(on_main, 640, 5));
    churn();
    check_held();
    free(on_main); /* main's variables are gone when its end is looked at */
}
