// 50 MB live, half a gigabyte leaked at 200 MB a second or less: the process stays small, and what
// is live keeps its contents.
// modes: gc
// native: no
// timeout: 60
// stdout: bounded
#include "check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIVE 500000
static char *live[LIVE];

static long rss_mb(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    long size, resident;
    CHECK(fscanf(f, "%ld %ld", &size, &resident) == 2);
    fclose(f);
    return resident * 4096 / 1000000;
}

int main(void) {
    for (int i = 0; i < LIVE; i++) {
        live[i] = malloc(95);
        memset(live[i], i, 95);
    }
    long most = 0;
    for (long leaked = 0; leaked < 500000000;) {
        for (int i = 0; i < 10000; i++) {
            size_t n = 16 + rand() % 400;
            memset(malloc(n), 1, n);
            leaked += n;
        }
        usleep(10000);
        long now = rss_mb();
        if (now > most)
            most = now;
    }
    for (int i = 0; i < LIVE; i++)
        CHECK(live[i][0] == (char)i && live[i][94] == (char)i);
    if (most >= 200)
        printf("%ld MB\n", most);
    else
        puts("bounded");
}
