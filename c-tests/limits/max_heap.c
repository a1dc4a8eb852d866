// The heap stays below `max_heap`: malloc, calloc, memalign and realloc fail with ENOMEM there, the old block stays, and what is freed can be had again.
// native: no
// gleaner: max_heap=64m
// stdout: small ok
// stdout: large ok
// stdout: grown ok
// stdout: aligned ok
// stderr: *the heap has reached max_heap=67108864: no memory for * bytes
#include "smaps.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 64 << 20 };
static void *blocks[1 << 20];
static size_t count;

static void die(const char *what, size_t n) {
    printf("%s %zu\n", what, n);
    exit(1);
}

static long resident(void) {
    long pages = 0, all = 0;
    char text[200] = "";
    int fd = open("/proc/self/statm", O_RDONLY); /* fopen would want memory */
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0 || sscanf(text, "%ld %ld", &all, &pages) != 2) die("statm", 0);
    close(fd);
    return pages * 4096;
}

/* Fills the heap with blocks of `size` bytes, all written to. Bytes had. */
static size_t fill(size_t size) {
    for (;;) {
        errno = 0;
        char *p = malloc(size);
        if (!p) break;
        memset(p, 1, size);
        blocks[count++] = p;
        if (count * size > 2L * LIMIT) die("no limit", size);
    }
    if (errno != ENOMEM) die("errno", errno);
    return count * size;
}

static void empty(void) {
    while (count) free(blocks[--count]);
}

/* Each turn has as much: all but an eighth, which is for the ends of pages and for what caches hold. */
static void turns(size_t size) {
    for (int turn = 0; turn < 3; turn++) {
        size_t had = fill(size);
        if (had > LIMIT || had < LIMIT / 8 * 7) die("had", had);
        /* Stacks of blocks in leak mode are the library's own and not counted. */
        if (strcmp(getenv("MODE"), "leak") && resident() > LIMIT + (huge_pages_for_all() ? 24 << 20 : 8 << 20)) die("resident", resident());
        struct mallinfo2 info = mallinfo2();
        if (info.uordblks < had || info.uordblks > LIMIT) die("mallinfo2", info.uordblks);
        empty();
    }
}

static void grow(void) {
    size_t n = 1 << 20;
    char *p = malloc(n);
    for (;;) {
        memset(p, 7, n);
        char *q = realloc(p, n + (1 << 20));
        if (!q) break;
        p = q;
        n += 1 << 20;
        if (n > LIMIT) die("grew", n);
    }
    for (size_t i = 0; i < n; i++)
        if (p[i] != 7) die("changed at", i);
    if (n < LIMIT / 8 * 7) die("grew to", n);
    if (calloc(1, LIMIT / 2) || errno != ENOMEM) die("calloc", errno);
    free(p);
    if (!(p = calloc(1, LIMIT / 2))) die("calloc again", 0);
    free(p);
}

int main(void) {
    turns(111);
    puts("small ok");
    turns(1000000);
    turns(3000);
    turns(111);
    puts("large ok");
    grow();
    puts("grown ok");
    void *p = aligned_alloc(4096, LIMIT / 2), *q = aligned_alloc(1 << 22, LIMIT * 3L / 4);
    if (!p || q || posix_memalign(&q, 64, LIMIT) != ENOMEM) die("aligned", 0);
    puts("aligned ok");
    free(p);
    return 0;
}
