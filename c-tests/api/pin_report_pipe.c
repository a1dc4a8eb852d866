// A report of pins into a pipe that is full waits for its reader, who may open scopes and pin meanwhile.
// native: no
// flags: -pthread
// timeout: 20
#include "check.h"
#include <gleaner.h>
#include <pthread.h>
#include <unistd.h>

enum { N = 3000 };
static struct gleaner_scope scopes[N];
static int ends[2];

static void *report(void *unused) {
    CHECK(gleaner_report_pins(ends[1]) == 0);
    close(ends[1]);
    return NULL;
}

int main(void) {
    for (int i = 0; i < N; i++) CHECK(gleaner_scope_open(&scopes[i]) == 0);
    char *p = malloc(100);
    CHECK(gleaner_scope_pin(&scopes[0], p) == 0 && pipe(ends) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, report, NULL) == 0);
    usleep(100000);
    struct gleaner_scope mine;
    CHECK(gleaner_scope_open(&mine) == 0 && gleaner_scope_pin(&mine, p) == 0 && gleaner_scope_close(&mine) == 0);
    int lines = 0;
    char text[4096];
    for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < n; i++) lines += text[i] == '\n';
    CHECK(lines == N + 1 && pthread_join(thread, NULL) == 0);
    for (int i = 0; i < N; i++) CHECK(gleaner_scope_close(&scopes[i]) == 0);
    free(p);
    return 0;
}
