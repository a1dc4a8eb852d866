// What a thread has at hand of free blocks goes back while it sleeps; not where it sleeps in a signal handler, which may have
// come between two instructions of malloc.
// modes: malloc gc
// native: no
// timeout: 60
// stdout: awake: much at hand; asleep: nothing; asleep in a handler: much
#include "check.h"
#include <malloc.h>
#include <signal.h>
#include <time.h>

/* Bytes of free blocks in the threads' bins. */
static long at_hand(void) {
    static char text[1 << 16];
    FILE *f = fmemopen(text, sizeof text, "w");
    CHECK(malloc_info(0, f) == 0);
    fclose(f);
    char *row = strstr(text, "<total type=\"fast\"");
    CHECK(row && (row = strstr(row, "size=\"")));
    return atol(row + 6);
}
static void burst(void) {
    enum { N = 40000 };
    static char *block[N];
    for (int i = 0; i < N; i++) {
        size_t size = 16 + i * 61 % 4000;
        memset(block[i] = malloc(size), 1, size);
    }
    for (int i = 0; i < N; i++) free(block[i]);
}
static void rest(void) {
    struct timespec t = {1, 500000000};
    CHECK(nanosleep(&t, NULL) == 0);
}
static void handler(int number) {
    (void)number;
    rest();
}
int main(void) {
    burst();
    long awake = at_hand();
    rest();
    long asleep = at_hand();
    signal(SIGUSR1, handler);
    burst();
    raise(SIGUSR1);
    long in_handler = at_hand();
    // All is as it was.
    burst();
    rest();
    burst();
    if (awake > 500000 && asleep < awake / 20 && in_handler > 500000)
        puts("awake: much at hand; asleep: nothing; asleep in a handler: much");
    else printf("%ld, asleep %ld, in a handler %ld\n", awake, asleep, in_handler);
    return 0;
}
