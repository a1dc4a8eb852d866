// check_signal with marking=snapshot: each report comes once the copy has marked; a copy that lacks memory asks the program to check for itself; at its end the program waits for a copy at work.
// modes: leak
// native: no
// gleaner: marking=snapshot:check_signal=USR2
// timeout: 60
#include "ends.h"
#include <sys/mman.h>

static void *volatile live[30000];
static void again(int absent) {
    void **kept = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 100; i++) kept[i] = malloc(64);
    for (int i = 0; i < 30000; i++) live[i] = malloc(200);
    if (absent) CHECK(madvise(kept, 4096, MADV_DONTFORK) == 0);
    lose();
    scrub();
    raise(SIGUSR2);
    /* Its names are looked up afterwards. */
    for (int i = 0; i < 30; i++) usleep(100000);
    raise(SIGUSR2);
    if (absent)
        for (int i = 0; i < 30; i++) usleep(100000);
    exit(7);
}

int main(int argc, char **argv) {
    if (argc > 1) again(*argv[1] == 'a');
    const char *words[] = {"absent", "whole"};
    for (int i = 0; i < 2; i++) {
        int status = run_again(words[i]);
        if (WEXITSTATUS(status) != 23 || count(REPORT) != 3 || count("SUMMARY: LeakSanitizer: 100 byte(s) leaked in 1 allocation(s)") != 3)
            dprintf(2, "%s %#x %d %s", words[i], status, count(REPORT), said);
    }
}
