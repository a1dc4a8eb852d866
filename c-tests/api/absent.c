// The header compiles in strict C11, and without the library each call does nothing and says so.
// flags: -std=c11 -pedantic -Werror -U_GNU_SOURCE
#include <gleaner.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPECT(condition) do { if (!(condition)) { (void)!write(2, #condition "\n", sizeof #condition); return 1; } } while (0)

int main(void) {
    const char *mode = getenv("MODE");
    struct gleaner_figures f;
    void *volatile block = malloc(100);
    int present = gleaner_is_present();
    EXPECT(!mode || present == !!strcmp(mode, "native"));
    EXPECT(present ? gleaner_collect() >= 0 : gleaner_collect() == GLEANER_ABSENT);
    memset(&f, 255, sizeof f);
    EXPECT(gleaner_stats(&f, sizeof f) == (present ? 0 : GLEANER_ABSENT));
    EXPECT(present ? f.live_bytes != 0 : f.live_bytes == 0);
    EXPECT(f.cleanups_due == 0 && f.cleanups_run == 0);
    EXPECT(gleaner_run_cleanups() == 0);
    if (!present) EXPECT(gleaner_check_leaks() == GLEANER_ABSENT && gleaner_cleanup_thread() == GLEANER_ABSENT);
    free(block);
    return 0;
}
