// User instructions per operation, counted by single-stepping: immune to a noisy machine.
//
//     steps [NAME…]      prints `NAME instructions`, the loop and the PLT included; all unless named
//
// The child runs an operation 64 times between two breakpoints of its own, after a warm-up; the parent
// steps it from one to the other. It has LD_PRELOAD as this program has.
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 64, WARM = 2000 };
static void *kept[TIMES];
static void *use(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}
#define LOOP for (int i = 0; i < TIMES; i++)
static void pair64(void) { LOOP free(use(malloc(64))); }
static void malloc_batch(void) { LOOP kept[i] = malloc(64); }
static void free_batch(void) { LOOP free(kept[i]); }
static void calloc_pair(void) { LOOP free(use(calloc(1, 64))); }
static void realloc_same(void) { LOOP kept[0] = realloc(kept[0], 64); }
static void usable(void) { LOOP use((void *)malloc_usable_size(kept[0])); }
static void pair4k(void) { LOOP free(use(malloc(4096))); }
static void pair64k(void) { LOOP free(use(malloc(65536))); }
/* Random sizes up to 1 KiB replace each other at random places of a table; pages come and go. */
static void *table[8000];
static uint64_t seed = 99;
static unsigned long random_word(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}
static void churn(void) {
    LOOP {
        int k = random_word() % 8000;
        free(table[k]);
        table[k] = malloc(16 + random_word() % 1000);
    }
}
static void churn_before(void) {
    for (int i = 0; i < 400; i++) churn();
}
static void pair1m(void) { LOOP free(use(malloc(1 << 20))); }
static void nothing(void) {}
static void make_one(void) { kept[0] = malloc(64); }
static void drop_one(void) { free(kept[0]); }

static const struct { const char *name; void (*before)(void), (*counted)(void), (*after)(void); } rows[] = {
    {"pair64", nothing, pair64, nothing},         {"malloc", nothing, malloc_batch, free_batch},
    {"free", malloc_batch, free_batch, nothing},  {"calloc_pair", nothing, calloc_pair, nothing},
    {"realloc_same", make_one, realloc_same, drop_one}, {"usable_size", make_one, usable, drop_one},
    {"pair4k", nothing, pair4k, nothing},         {"pair64k", nothing, pair64k, nothing},
    {"pair1m", nothing, pair1m, nothing},         {"churn", churn_before, churn, nothing},
};
enum { ROWS = sizeof rows / sizeof *rows };

static int is_wanted[ROWS];
static void child(void) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    for (int r = 0; r < ROWS; r++) {
        if (!is_wanted[r]) continue;
        for (int i = 0; i < WARM / TIMES; i++) rows[r].before(), rows[r].counted(), rows[r].after();
        rows[r].before();
        __asm__ volatile("int3");
        rows[r].counted();
        __asm__ volatile("int3");
        rows[r].after();
    }
    _exit(0);
}
/* Whether the child has run into a breakpoint of its own, not merely made a step. */
static int at_breakpoint(pid_t pid) {
    siginfo_t info;
    return ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == 0 && info.si_code == SI_KERNEL;
}
int main(int argc, char **argv) {
    for (int r = 0; r < ROWS; r++) {
        is_wanted[r] = argc == 1;
        for (int i = 1; i < argc; i++) is_wanted[r] |= !strcmp(argv[i], rows[r].name);
    }
    pid_t pid = fork();
    if (pid == 0) child();
    int status, first = 1;
    for (int r = 0; r < ROWS; r++) {
        if (!is_wanted[r]) continue;
        if (!first) ptrace(PTRACE_CONT, pid, 0, 0);
        first = 0;
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != 5) return 1;
        long steps = 0;
        do {
            if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) return 1;
            waitpid(pid, &status, 0);
            if (!WIFSTOPPED(status)) return 1;
            steps++;
        } while (!at_breakpoint(pid));
        printf("%s %.0f\n", rows[r].name, (double)steps / TIMES);
    }
    ptrace(PTRACE_CONT, pid, 0, 0);
    waitpid(pid, &status, 0);
    return 0;
}
