// A scope's pins end with it; a closed, copied or unopened scope refuses; threads may pin while another closes.
// flags: -pthread
#include "check.h"
#include <gleaner.h>
#include <pthread.h>

enum { N = 300 };
static char *objects[N];
static int here;

static int pins_of(int i) {
    int n = 0;
    while (gleaner_unpin(objects[i]) == 0) n++;
    for (int k = 0; k < n; k++) CHECK(gleaner_pin(objects[i]) == 0);
    return n;
}
static void simple(int count) {
    struct gleaner_scope s, copy;
    CHECK(gleaner_scope_open(&s) == (here ? 0 : GLEANER_ABSENT));
    for (int i = 0; i < count; i++) CHECK(gleaner_scope_pin(&s, objects[i] + 5) == (here ? 0 : GLEANER_ABSENT));
    if (here) {
        for (int i = 0; i < N; i++) CHECK(pins_of(i) == (i < count));
        copy = s;
        CHECK(gleaner_scope_pin(&s, &s) == GLEANER_NOT_OURS);
        CHECK(gleaner_scope_close(&copy) == 0);
        CHECK(gleaner_scope_close(&s) == ECANCELED);
        CHECK(gleaner_scope_pin(&s, objects[0]) == ECANCELED);
        CHECK(gleaner_scope_pin_range(&s, objects[0], 10) == ECANCELED);
        for (int i = 0; i < N; i++) CHECK(pins_of(i) == 0);
    }
}
static void block(void) {
    {
        GLEANER_SCOPE(a);
        GLEANER_SCOPE(b);
        for (int i = 0; i < 20; i++) (void)gleaner_scope_pin(i % 2 ? &a : &b, objects[0]);
        if (here) CHECK(pins_of(0) == 20);
    }
    CHECK(pins_of(0) == 0);
}
static void ranges(void) {
    if (!here) return;
    GLEANER_SCOPE(s);
    char *large = malloc(1 << 20);
    CHECK(gleaner_scope_pin_range(&s, large + 5000, 5000) == 0);
    CHECK(gleaner_scope_pin_range(&s, large, 0) == EINVAL);
    free(large);
    CHECK(gleaner_pin(large) == EFAULT);
}

static struct gleaner_scope shared;
static void *pinner(void *seed) {
    uint64_t state = (uintptr_t)seed;
    int answer;
    do {
        answer = gleaner_scope_pin(&shared, objects[next_random(&state) % N]);
        CHECK(answer == 0 || answer == ECANCELED);
    } while (answer == 0);
    return NULL;
}
static void raced(void) {
    pthread_t t[2];
    CHECK(gleaner_scope_open(&shared) == 0);
    for (uintptr_t i = 0; i < 2; i++) CHECK(pthread_create(&t[i], NULL, pinner, (void *)(i + 7)) == 0);
    usleep(500);
    CHECK(gleaner_scope_close(&shared) == 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < N; i++) CHECK(pins_of(i) == 0);
}
int main(void) {
    here = gleaner_is_present();
    for (int i = 0; i < N; i++) objects[i] = malloc(50);
    for (int count = 0; count <= N; count = count * 2 + 1) simple(count > N ? N : count);
    block();
    ranges();
    struct gleaner_scope none = {0}, junk = {0x123456789abcdef0};
    CHECK(gleaner_scope_pin(&none, objects[0]) == (here ? ECANCELED : GLEANER_ABSENT));
    CHECK(gleaner_scope_close(&junk) == (here ? ECANCELED : GLEANER_ABSENT));
    if (here)
        for (int i = 0; i < 50; i++) raced();
    return 0;
}
