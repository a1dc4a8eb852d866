// A handler that interrupts malloc at any place forks; child and parent go on allocating.
// timeout: 30
// gleaner[leak]: follow=no
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "check.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int forks;
static void ring(int signal) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        free(malloc(100));
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    forks++;
}
int main(void) {
    struct sigaction action = {.sa_handler = ring, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval every = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
    static char *block[512];
    for (unsigned i = 0; forks < 400; i++) {
        free(block[i % 512]);
        CHECK((block[i % 512] = malloc(i * 7919u % 3000)) != NULL);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    for (int i = 0; i < 512; i++) free(block[i]);
}
