// The program uses our signal itself: its handler, its mask and its alternate stack see nothing of a check.
// modes: leak
// native: no
// flags: -pthread
#include "visitor.h"
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>

static volatile int caught, stop;
static void handler(int signal) {
    (void)signal;
    caught++;
}

static void *spins(void *arg) {
    while (!stop) __asm__ volatile("pause");
    return arg;
}
/* On a small alternate stack: what a check uses of it must leave a rest. */
static void *has_alternate(void *arg) {
    size_t size = getauxval(AT_MINSIGSTKSZ) + (6 << 10);
    unsigned char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t alternate = {.ss_sp = stack, .ss_size = size};
    CHECK(stack != MAP_FAILED);
    memset(stack, 0xa5, size);
    CHECK(sigaltstack(&alternate, NULL) == 0);
    spins(arg);
    size_t untouched = 0;
    while (untouched < size && stack[untouched] == 0xa5) untouched++;
    if (getenv("TELL")) dprintf(2, "%zu of %zu bytes of the alternate stack were not used\n", untouched, size);
    CHECK(untouched >= 1024);
    alternate.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alternate, NULL) == 0 && munmap(stack, size) == 0);
    return arg;
}

int main(void) {
    pthread_t threads[2];
    static char text[65536];
    struct sigaction action = {.sa_handler = handler}, now;
    sigset_t set, before;
    CHECK(sigaction(SIGURG, &action, NULL) == 0);
    for (int blocked = 0; blocked < 2; blocked++) {
        stop = 0;
        if (blocked) {
            sigemptyset(&set);
            sigaddset(&set, SIGURG);
            CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
        }
        for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, i ? spins : has_alternate, NULL) == 0);
        for (int i = 0; i < 4; i++) CHECK(visit(getpid(), "", text, sizeof text) == 0);
        CHECK(strstr(text, "no leaks in "));
        stop = 1;
        for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(caught == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &before) == 0 && sigismember(&before, SIGURG));
    CHECK(sigpending(&before) == 0 && !sigismember(&before, SIGURG));
    CHECK(sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == handler);
    raise(SIGURG);
    CHECK(caught == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && caught == 1);
}
