// A program that frees much and falls asleep is small again within two seconds, and its sleep is not cut short.
// modes: gc leak
// gleaner: idle_timer=yes
// native: no
// timeout: 30
// stdout: small again
#include "check.h"
#include <poll.h>
#include <time.h>

static long resident_mb(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    long size, resident;
    CHECK(fscanf(f, "%ld %ld", &size, &resident) == 2);
    fclose(f);
    return resident * 4096 / 1000000;
}
enum { SMALL = 500000, LARGE = 30 };
static char *small[SMALL], *large[LARGE];

int main(void) {
    for (int i = 0; i < SMALL; i++) memset(small[i] = malloc(190), 1, 190);
    for (int i = 0; i < LARGE; i++) memset(large[i] = malloc(1500000), 1, 1500000);
    long most = resident_mb();
    for (int i = 0; i < SMALL; i++) free(small[i]);
    for (int i = 0; i < LARGE; i++) free(large[i]);
    CHECK(poll(NULL, 0, 800) == 0);
    struct timespec t = {1, 200000000};
    CHECK(nanosleep(&t, NULL) == 0);
    long now = resident_mb();
    if (most > 120 && now < 16) puts("small again");
    else printf("%ld MB at most, %ld MB after the sleep\n", most, now);
}
