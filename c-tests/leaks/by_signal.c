// on_signal: what ends the program by default ends it so, with a report; its own handlers, and what it ignores, stay its own.
// modes: leak
// flags: -pthread
// gleaner: on_signal=TERM,INT,HUP,SEGV,ABRT,USR1,BUS,FPE:deadline=2000
// env: MALLOC_ARENA_MAX=1
#include "ends.h"
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

/* HUP, INT, ABRT, BUS, FPE, USR1, SEGV, TERM. */
#define ENDING "\1\2\6\7\10\12\13\17"
static volatile int zero;
static void handler(int signal) {
    (void)signal;
    exit(8);
}
static void *sleeps(void *arg) {
    poll(NULL, 0, -1);
    return arg;
}
static void *churns(void *arg) {
    for (;;)
        for (int i = 1; i < 3000; i++) free(OPAQUE(malloc(i)));
    return arg;
}

static void again(const char *how) {
    pthread_t t;
    struct rlimit none = {0, 0};
    struct sigaction old;
    setrlimit(RLIMIT_CORE, &none);
    for (const char *c = ENDING; *c; c++) CHECK(sigaction(*c, NULL, &old) == 0 && old.sa_handler == SIG_DFL && old.sa_flags == 0);
    lose();
    scrub();
    if (strstr(how, "thread")) CHECK(pthread_create(&t, NULL, sleeps, NULL) == 0);
    if (strstr(how, "busy"))
        for (int i = 0; i < 2; i++) CHECK(pthread_create(&t, NULL, churns, NULL) == 0);
    if (strstr(how, "kill")) kill(getpid(), SIGTERM);
    if (strstr(how, "abort")) abort();
    if (strstr(how, "null")) *(volatile char *)OPAQUE((char *)8) = 1;
    if (strstr(how, "divide")) __asm__ volatile("xor %%edx, %%edx\n mov $1, %%eax\n idivl %0" : : "m"(zero) : "eax", "edx", "cc");
    if (strstr(how, "raised")) raise(SIGSEGV);
    if (strstr(how, "handled")) {
        CHECK(signal(SIGTERM, handler) == SIG_DFL);
        raise(SIGTERM);
    }
    if (strstr(how, "restored")) {
        CHECK(signal(SIGTERM, handler) == SIG_DFL);
        CHECK(signal(SIGTERM, SIG_DFL) == handler);
        CHECK(signal(SIGTERM, SIG_DFL) == SIG_DFL);
        raise(SIGTERM);
    }
    if (strstr(how, "ignored")) {
        CHECK(signal(SIGTERM, SIG_IGN) == SIG_DFL);
        raise(SIGTERM);
        exit(0);
    }
    if (strstr(how, "asleep")) {
        pid_t parent = getpid();
        if (fork() == 0) {
            usleep(100000);
            kill(parent, SIGINT);
            execl("/bin/true", "true", (char *)NULL);
        }
        poll(NULL, 0, 20000);
    }
    if (strstr(how, "allocates")) {
        /* Now and then in the middle of a critical section. */
        pid_t parent = getpid();
        if (fork() == 0) {
            usleep(50000 + getpid() % 100 * 100);
            kill(parent, SIGTERM);
            execl("/bin/true", "true", (char *)NULL);
        }
        churns(NULL);
    }
    _exit(98);
}

int main(int argc, char **argv) {
    if (argc > 1) again(argv[1]);
    int ours = getenv("GLEANER") != NULL;
    /* Who starts this test in the background has some ignored. */
    for (const char *c = ENDING; *c; c++) CHECK(signal(*c, SIG_DFL) != SIG_ERR);
    static const struct {
        const char *how;
        int signal, status;
    } all[] = {
        {"kill", SIGTERM, 0},       {"kill thread", SIGTERM, 0},   {"kill busy", SIGTERM, 0},      {"abort", SIGABRT, 0},   {"null", SIGSEGV, 0},
        {"null busy", SIGSEGV, 0},  {"divide", SIGFPE, 0},         {"raised", SIGSEGV, 0},         {"restored", SIGTERM, 0}, {"handled", 0, 8},
        {"ignored", 0, 0},          {"asleep", SIGINT, 0},         {"asleep thread", SIGINT, 0},   {"allocates", SIGTERM, 0},
        {"allocates", SIGTERM, 0},  {"allocates busy", SIGTERM, 0}, {"allocates", SIGTERM, 0},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        int status = run_again(all[i].how);
        int wanted = all[i].signal ? all[i].signal : (ours ? 23 : all[i].status) << 8;
        int good = (status & ~0x80) == wanted && (!ours || (count(REPORT) == 1 && count("of 100 byte(s) in 1 object(s)") == 1));
        if (!good) dprintf(2, "%s: status %#x, %s\n", all[i].how, status, said);
    }
    signal(SIGTERM, SIG_IGN);
    int status = run_again("kill");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}
