// A child has copies of the pins: each process unpins its own. A thread that ends leaves its pins and its held objects behind.
// native: no
// flags: -pthread
#include "check.h"
#include <gleaner.h>
#include <pthread.h>
#include <sys/wait.h>

static char *p, *q;
static struct gleaner_scope scope;

static void finish(void) {
    CHECK(gleaner_unpin(p) == 0 && gleaner_unpin(p) != 0);
    CHECK(intact(q, 100, 2));
    CHECK(gleaner_scope_close(&scope) == 0 && gleaner_scope_close(&scope) == ECANCELED);
    CHECK(gleaner_unpin(q) != 0);
}
static void *body(void *unused) {
    fill(p = malloc(100), 100, 1);
    fill(q = malloc(100), 100, 2);
    CHECK(gleaner_pin(p) == 0);
    CHECK(gleaner_scope_open(&scope) == 0 && gleaner_scope_pin(&scope, q) == 0);
    free(q);
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, body, NULL) == 0);
    pthread_join(t, NULL);
    CHECK(intact(p, 100, 1));
    pid_t child = fork();
    if (child == 0) {
        finish();
        free(p);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    gleaner_collect();
    finish();
    free(p);
    return 0;
}
