// Unless `thp` says otherwise small blocks fill huge pages once the heap is large: a small heap has none, larger blocks that are hardly touched have
// none, no page has the kernel's advice for ever, and what is free goes back whole.
// native: no
// stdout: small, huge, sparse, trimmed, huge
// timeout: 60
#include "smaps.h"
#include <malloc.h>
#include <sys/resource.h>

enum { SIZE = 100, COUNT = 600000, LARGE = 64 };
static char *blocks[COUNT], *large[LARGE];

/* Bytes that a row of the sums of all mappings tells. */
static size_t all(const char *row) {
    static char text[4096];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    char *at = strstr(text, row);
    return at ? strtoul(at + strlen(row), NULL, 10) * 1024 : 0;
}
static long faults(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
}
static void check(int ok, int line) {
    if (ok) return;
    printf("line %d: %zu resident, %zu huge, %ld faults\n", line, all("\nRss:"), all("AnonHugePages:"), faults());
    exit(1);
}
#define CHECK(ok) check(ok, __LINE__)

static void fill(void) {
    for (int i = 0; i < COUNT; i++) {
        char *p = blocks[i] = i % 7 ? malloc(SIZE) : calloc(1, SIZE);
        for (int k = 0; i % 7 == 0 && k < SIZE; k++) CHECK(p[k] == 0);
        memset(p, 1, SIZE);
    }
}

int main(void) {
    int to_be_had = huge_pages_to_be_had();
    char *small = malloc(SIZE);
    memset(small, 1, SIZE);
    memset(blocks, 1, sizeof blocks);
    size_t before = all("\nRss:"), huge = all("AnonHugePages:");
    for (int i = 0; i < 20000; i++) memset(blocks[i] = malloc(SIZE), 1, SIZE);
    CHECK(all("AnonHugePages:") == huge && all("\nRss:") < before + (4 << 20));
    free(small);
    for (int i = 0; i < 20000; i++) free(blocks[i]);

    long had = faults();
    fill();
    CHECK(!to_be_had || (all("AnonHugePages:") >= huge + (40 << 20) && faults() - had < 11000));
    for (int i = 0; i < COUNT; i += 1000) CHECK(!has_flag(blocks[i], "hg"));
    size_t full = all("\nRss:");
    CHECK(full < before + (84 << 20));

    for (int i = 0; i < LARGE; i++) *(large[i] = malloc(300000)) = 1;
    CHECK(huge_pages_for_all() || all("\nRss:") < full + (4 << 20));

    for (int i = 0; i < COUNT; i++) free(blocks[i]);
    malloc_trim(0);
    /* Leak mode has words beside the blocks. */
    CHECK(all("\nRss:") < before + (32 << 20));

    fill();
    CHECK(!to_be_had || all("AnonHugePages:") >= huge + (40 << 20));
    for (int i = 0; i < COUNT; i++) free(blocks[i]);
    for (int i = 0; i < LARGE; i++) free(large[i]);
    puts("small, huge, sparse, trimmed, huge");
    return 0;
}
