// Heaps of several shapes, to be marked: `marks SHAPE MEGABYTES COLLECTIONS`. Prints the bytes that are live.
//
// random      64-byte objects, three random edges each, and a chain through all
// tree        a binary tree of them, made depth first
// levels      the same, made level by level
// list        a list in the order of addresses
// shuffled    a list in random order
// data4k      blocks of 4 KiB without pointers, from a table
// data1m      blocks of 1 MiB without pointers
#include "collector.h"

/* One byte is left: both collectors keep what a pointer past the end points to. */
enum { SIZE = 63, SLOT = 64 };
static void **root;
static uint64_t seed = 88172645463325252;

static void ***objects(size_t n) {
    void ***all = scratch(n * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = new_object(SIZE);
    return all;
}
static void shuffle(void ***all, size_t n) {
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = next_random(&seed) % (i + 1);
        void **t = all[i];
        all[i] = all[k], all[k] = t;
    }
}
static void chain(void ***all, size_t n, int word) {
    for (size_t i = 0; i + 1 < n; i++) all[i][word] = all[i + 1];
}
static void linked(const char *shape, size_t n) {
    void ***all = objects(n);
    if (!strcmp(shape, "shuffled")) shuffle(all, n);
    if (!strcmp(shape, "random"))
        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < 3; k++) all[i][k] = all[next_random(&seed) % n];
    if (!strcmp(shape, "levels")) {
        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < 2; k++)
                if (2 * i + 1 + k < n) all[i][k] = all[2 * i + 1 + k];
    } else {
        chain(all, n, 3);
    }
    root = all[0];
    munmap(all, n * sizeof *all);
}
/* Made before its children. */
static void **tree(size_t n) {
    if (!n) return NULL;
    void **node = new_object(SIZE);
    node[0] = tree((n - 1) / 2);
    node[1] = tree(n - 1 - (n - 1) / 2);
    return node;
}
static void data(size_t size, size_t n) {
    root = new_object(n * sizeof *root);
    for (size_t i = 0; i < n; i++) {
        double *block = new_object(size - 1);
        for (size_t k = 0; k < (size - 1) / sizeof *block; k++) block[k] = 1 + (double)(i + k) / 3;
        root[i] = block;
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: marks SHAPE MEGABYTES COLLECTIONS\n"), 2;
    const char *shape = argv[1];
    size_t bytes = strtoul(argv[2], NULL, 10) << 20;
    collector_begin();
    building(1);
    if (!strcmp(shape, "tree")) root = tree(bytes / SLOT);
    else if (!strcmp(shape, "data4k")) data(4 << 10, bytes / (4 << 10));
    else if (!strcmp(shape, "data1m")) data(1 << 20, bytes / (1 << 20));
    else linked(shape, bytes / SLOT);
    building(0);
    for (int i = atoi(argv[3]); i > 0; i--) collect();
    printf("live %zu\n", bytes);
    return root == NULL;
}
