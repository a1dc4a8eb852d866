// Large blocks that come and go: zeroed when they must be, whole after realloc, never handed out twice.
// timeout: 90
// stdout: sound
#include "check.h"
#include <malloc.h>
#include <stdint.h>

static const size_t sizes[] = {70000, 200000, 1 << 20, (1 << 20) + 1, 3000000, 8 << 20, 40 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes, LIVE = 12 };
static unsigned char *live[LIVE];
static size_t length[LIVE];

/* One byte in each page, and the last one. */
static void stamp(int i) {
    for (size_t at = 0; at < length[i]; at += 4096) live[i][at] = (unsigned char)(i + at / 4096);
    live[i][length[i] - 1] = (unsigned char)i;
}
static void verify(int i, size_t n) {
    for (size_t at = 0; at < n; at += 4096)
        if (at != length[i] - 1) CHECK(live[i][at] == (unsigned char)(i + at / 4096));
    if (n == length[i]) CHECK(live[i][length[i] - 1] == (unsigned char)i);
}
int main(void) {
    srand(7);
    for (int round = 0; round < 150; round++) {
        int i = rand() % LIVE;
        size_t n = sizes[rand() % SIZES] + rand() % 5000;
        if (live[i]) verify(i, length[i]);
        switch (rand() % 4) {
        case 0:
            free(live[i]);
            live[i] = calloc(1, n);
            for (size_t at = 0; at < n; at += 512) CHECK(live[i][at] == 0);
            CHECK(live[i][n - 1] == 0);
            break;
        case 1:
            free(live[i]);
            CHECK(posix_memalign((void **)&live[i], 1 << (12 + rand() % 12), n) == 0);
            break;
        case 2:
            free(live[i]);
            live[i] = malloc(n);
            break;
        default: {
            size_t before = live[i] ? length[i] : 0;
            live[i] = realloc(live[i], n);
            if (before) {
                size_t kept = before < n ? before - 1 : n - 1;
                verify(i, kept);
            }
        }
        }
        CHECK(live[i] && malloc_usable_size(live[i]) >= n);
        length[i] = n;
        stamp(i);
        if (rand() % 3 == 0) {
            free(live[i]);
            live[i] = NULL;
        }
    }
    puts("sound");
}
