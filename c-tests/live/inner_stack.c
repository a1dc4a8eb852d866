// Held by frames below an array of an outer frame that serves as a stack: a coroutine's, then a signal handler's.
// modes: gc
// flags: -D_GNU_SOURCE
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <signal.h>
#include <ucontext.h>

static ucontext_t back, coroutine;
static void on_coroutine(void) {
    held_size_ = 700;
    churn();
    swapcontext(&coroutine, &back);
}
static void on_signal(int signal) { churn(); }

static NOINLINE void deep(int by_signal) {
    // Many: stale copies of the last pointers lie about.
    char *volatile held[40];
    for (int i = 0; i < 40; i++) fill(held[i] = malloc(700), 700, i);
    scrub_();
    if (by_signal) {
        CHECK(raise(SIGUSR1) == 0);
    } else {
        CHECK(swapcontext(&back, &coroutine) == 0);
    }
    for (int i = 0; i < 40; i++) {
        CHECK(intact(held[i], 700, i));
        free(held[i]);
    }
}

int main(void) {
    char stack[64 << 10];
    CHECK(getcontext(&coroutine) == 0);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = sizeof stack;
    makecontext(&coroutine, on_coroutine, 0);
    deep(0);
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternate, NULL) == 0 && sigaction(SIGUSR1, &act, NULL) == 0);
    deep(1);
}
