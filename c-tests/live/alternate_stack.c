// Held by the alternate stack of a signal handler, while collections run in it.
// flags: -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <signal.h>

static NOINLINE void on_signal(int signal) {
    char *volatile p = hold(850);
    scrub_();
    churn();
    CHECK(intact(p, 850, 99));
    free(p);
}
int main(void) {
    stack_t stack = {.ss_sp = malloc(131072), .ss_size = 131072};
    CHECK(sigaltstack(&stack, NULL) == 0);
    stack.ss_sp = NULL; /* only the kernel knows the stack now */
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
    char *volatile below = malloc(333);
    fill(below, 333, 8);
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK(intact(below, 333, 8));
    free(below);
}
