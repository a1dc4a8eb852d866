// gleaner_collect reclaims what no pointer leads to, before it returns; in malloc mode it says that there is no such thing.
// native: no
// flags: -pthread
// gleaner[gc]: min_growth=1g:deadline=2000
// gleaner[leak]: deadline=2000
// status[leak]: 23
// stderr[leak]: ...
#include "check.h"
#include <malloc.h>
#include <pthread.h>

int gleaner_collect(void) __attribute__((weak));
enum { N = 4000, SIZE = 1000 };
static unsigned char *kept[N];
static volatile int over;

static __attribute__((noinline)) void drop_some(void) {
    for (int i = 0; i < N; i++) {
        memset(malloc(SIZE), 1, SIZE);
        fill(kept[i] = malloc(SIZE), SIZE, i);
    }
}
static void *spin(void *unused) {
    while (!over) free(OPAQUE(malloc(100)));
    return NULL;
}
int main(void) {
    const char *mode = getenv("MODE");
    pthread_t t;
    CHECK(pthread_create(&t, NULL, spin, NULL) == 0);
    CHECK(gleaner_collect != NULL);
    drop_some();
    size_t before = mallinfo2().uordblks;
    CHECK(before > (size_t)2 * N * SIZE);
    errno = 77;
    for (int i = 0; i < 3; i++) {
        int why = gleaner_collect();
        CHECK(why == (mode && !strcmp(mode, "malloc") ? ENOSYS : 0));
        CHECK(errno == 77);
    }
    size_t after = mallinfo2().uordblks;
    if (mode && !strcmp(mode, "gc"))
        CHECK(after < before - (size_t)N * SIZE * 9 / 10);
    else
        CHECK(after > before - (size_t)N * SIZE / 10);
    for (int i = 0; i < N; i++) CHECK(intact(kept[i], SIZE, i));
    over = 1;
    pthread_join(t, NULL);
    return 0;
}
