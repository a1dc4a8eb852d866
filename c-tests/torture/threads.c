// A thread is stepped from its first instruction to its last: the start, its first and last calls of the allocator, its destructors; so is pthread_create.
// modes: gc
// native: no
// flags: -pthread
// timeout: 900
// gleaner: min_growth=1g:limbo=1:disguised=no:checkmark=yes:deadline=60000:verbose=1
// stdout: ...
// stdout: in all: * instructions, parked at *
#include "stepper.h"

static pthread_key_t key;
static unsigned char *handed;

static void *nothing(void *argument) {
    CHECK(intact(argument, 100, 3));
    return argument;
}
/* A block that only this thread's destructors lead to. In the last round the library's own has run already. */
static void destructor(void *p) {
    static __thread int rounds;
    CHECK(intact(p, 300, 6));
    char *q = malloc(24);
    fill(q, 24, 9);
    CHECK(intact(p, 300, 6) && intact(q, 24, 9));
    free(q);
    if (++rounds < 4)
        pthread_setspecific(key, p);
    else
        free(p);
}
static void *allocates(void *argument) {
    unsigned char *p = malloc(300), *q = malloc(3000), *r = calloc(1, shared->thorough ? 40000 : 1500);
    fill(p, 300, 6);
    fill(q, 100, 7);
    free(r);
    pthread_setspecific(key, p);
    CHECK(intact(argument, 100, 3) && intact(q, 100, 7));
    free(q);
    handed = malloc(100);
    fill(handed, 100, 8);
    return argument;
}
static void *destroyed(void *argument) {
    void *p = malloc(300);
    fill(p, 300, 6);
    pthread_setspecific(key, p);
    return argument;
}
static void *exits(void *argument) {
    free(malloc(50));
    pthread_exit(argument);
}
/* The new thread's argument: held by the library until the thread runs, then by the thread. */
static void *argument(void) {
    void *p = malloc(100);
    fill(p, 100, 3);
    return p;
}
static void joined(const char *name, void *(*body)(void *)) {
    next_call(NEW_THREAD, "%s", name);
    free(stepped_thread(body, argument()));
}
static pthread_t made;
static void *create(void) {
    return (void *)(long)pthread_create(&made, NULL, nothing, argument());
}
static void all_threads(void) {
    void *value;
    shared->size = 64;
    CHECK(pthread_key_create(&key, destructor) == 0);
    joined("thread that does nothing", nothing);
    joined("thread that allocates", allocates);
    CHECK(intact(handed, 100, 8));
    /* libgcc is opened for it. */
    if (shared->thorough) joined("thread that calls exit", exits);
    shared->dawdle = 500;
    joined("thread slow to answer", destroyed);
    shared->dawdle = 0;
    next_call(ANY, "pthread_create");
    CHECK(stepped_call((void *)create, 0, 0, 0, 0, 0) == 0);
    CHECK(pthread_join(made, &value) == 0);
    free(value);
    next_call(ANY, "pthread_create, again");
    CHECK(stepped_call((void *)create, 0, 0, 0, 0, 0) == 0);
    next_call(ANY, "pthread_join");
    CHECK(stepped_call((void *)pthread_join, (uint64_t)made, (uint64_t)&value, 0, 0, 0) == 0);
    free(value);
}
int main(void) { return stepping(all_threads); }
