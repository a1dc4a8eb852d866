// A signal handler on an alternate stack interrupts malloc 500 times; SIGURG still works for the program.
// flags: -pthread
#include "check.h"
#include <signal.h>
#include <sys/time.h>

static volatile int ticks, urgent;
static void tick(int signal) { ticks++; }
static void urge(int signal) { urgent++; }

int main(void) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    struct sigaction act = {.sa_handler = tick, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigaction urg = {.sa_handler = urge, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &act, NULL) == 0 && sigaction(SIGURG, &urg, NULL) == 0);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
    char *p[100] = {0};
    for (int i = 0; ticks < 500; i = (i + 1) % 100) {
        free(p[i]);
        p[i] = malloc(i * 20);
    }
    for (int i = 0; i < 100; i++) free(p[i]);
    for (int i = 0; i < 10; i++) raise(SIGURG);
    CHECK(urgent == 10);
}
