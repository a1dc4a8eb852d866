// Held by the stack of a coroutine that is switched out, in a mapping and in the heap.
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <sys/mman.h>
#include <ucontext.h>

static ucontext_t main_context, mapped, heaped;
static int finished;
static void body(void) {
    char *volatile p = hold(800);
    scrub_();
    swapcontext(p ? (finished ? &heaped : &mapped) : NULL, &main_context);
    CHECK(intact(p, 800, 99));
    finished++;
}
static NOINLINE void make(ucontext_t *c, void *stack) {
    getcontext(c);
    c->uc_stack.ss_sp = stack;
    c->uc_stack.ss_size = 65536;
    c->uc_link = &main_context;
    makecontext(c, body, 0);
    swapcontext(&main_context, c);
}
int main(void) {
    make(&mapped, mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    scrub_();
    churn();
    check_held();
    swapcontext(&main_context, &mapped);
    CHECK(finished == 1);
    make(&heaped, malloc(65536));
    scrub_();
    churn();
    check_held();
}
