// A store of records in files: each file is mapped when it is first read, and unmaps itself when no record of it is in use.
// args: /tmp
// stdout: all records right
//
// Callers get plain pointers into the mapped file, keep them as long as they like, copy them, and never give
// them back. Under libgleaner.so the map goes when the last of them is gone; without it the maps stay.
#include <gleaner.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILES = 32, RECORDS = 1000, LENGTH = 64 };

static int mapped, unmapped;

/* What the library calls when a file's map is dead. The argument is the store's entry for it. */
struct file {
    char path[100];
    /* The map's address, not to be taken for a pointer to it: it is only there to be found again. */
    uintptr_t hidden;
};

static void unmap(uintptr_t address, size_t size, uintptr_t argument) {
    struct file *file = (struct file *)argument;
    munmap((void *)address, size);
    file->hidden = 0;
    unmapped++;
}

static char *map(struct file *file) {
    /* First the pointer, which keeps the map from now on; then what had died before. If that was this map, it is gone. */
    char *known = file->hidden ? (char *)~file->hidden : NULL;
    gleaner_run_cleanups();
    if (known && file->hidden) return known;
    int fd = open(file->path, O_RDONLY);
    if (fd < 0) return NULL;
    size_t size = RECORDS * LENGTH;
    char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) return NULL;
    if (gleaner_adopt(at, size, GLEANER_NOSCAN, unmap, (uintptr_t)file, NULL) > 0) return NULL;
    file->hidden = ~(uintptr_t)at;
    mapped++;
    return at;
}

/* A record: a pointer into the file, good for as long as somebody holds it. */
static const char *record(struct file *file, int number) {
    char *at = map(file);
    return at ? at + number * LENGTH : NULL;
}

static struct file files[FILES];

static int fill(const char *folder) {
    for (int f = 0; f < FILES; f++) {
        static char text[RECORDS * LENGTH];
        snprintf(files[f].path, sizeof files[f].path, "%s/file_store.%d.%d", folder, (int)getpid(), f);
        for (int r = 0; r < RECORDS; r++) snprintf(text + r * LENGTH, LENGTH, "file %d record %d", f, r);
        int fd = open(files[f].path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        if (fd < 0 || write(fd, text, sizeof text) != (ssize_t)sizeof text) return 1;
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (fill(argc > 1 ? argv[1] : "/tmp")) return 1;
    const char **favourites = calloc(100, sizeof *favourites);
    unsigned random = 1;
    int wrong = 0;
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245 + 12345;
        int f = random / 65536 % FILES, r = random / 7 % RECORDS;
        char expected[LENGTH];
        snprintf(expected, sizeof expected, "file %d record %d", f, r);
        const char *text = record(&files[f], r);
        wrong += !text || strcmp(text, expected);
        favourites[i / 2 % 100] = i < 19900 ? text : NULL;
        if (i % 500 == 0) gleaner_collect();
    }
    for (int i = 0; i < 100; i++) favourites[i] = NULL;
    for (int i = 0; i < 3; i++) gleaner_collect();
    gleaner_run_cleanups();
    for (int f = 0; f < FILES; f++) unlink(files[f].path);
    free(favourites);
    printf("%s\n", wrong ? "wrong records" : "all records right");
    if (getenv("STORE_VERBOSE")) printf("%d maps made, %d unmapped themselves\n", mapped, unmapped);
    /* In the mode gc nearly all maps are gone now. */
    return wrong;
}
