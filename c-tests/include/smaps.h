/* What /proc/self/smaps says of the mapping at an address. Read without allocating. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct smaps {
    size_t rss, huge; /* bytes */
    char flags[200];  /* "rd wr … hg" */
};

static struct smaps smaps_of(void *p) {
    static char text[4 << 20];
    size_t n = 0;
    int fd = open("/proc/self/smaps", O_RDONLY);
    for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0;) n += got;
    close(fd);
    text[n] = 0;
    struct smaps found = {0};
    int here = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long lo, hi;
        char word[32];
        if (sscanf(line, "%lx-%lx %31s", &lo, &hi, word) == 3) here = (size_t)p >= lo && (size_t)p < hi;
        if (!here) continue;
        sscanf(line, "Rss: %zu", &found.rss);
        sscanf(line, "AnonHugePages: %zu", &found.huge);
        if (!strncmp(line, "VmFlags:", 8)) snprintf(found.flags, sizeof found.flags, "%s ", line + 8);
    }
    found.rss *= 1024;
    found.huge *= 1024;
    return found;
}

static inline int has_flag(void *p, const char *flag) {
    char word[8];
    snprintf(word, sizeof word, " %s ", flag);
    return strstr(smaps_of(p).flags, word) != NULL;
}

/* Whether the kernel's setting is that; without one it is "[never]". */
static inline int huge_pages_are(const char *setting) {
    char text[100] = "";
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    return strstr(n > 0 ? text : "[never]", setting) != NULL;
}
/* Whether it gives them to who asks. */
static inline int huge_pages_to_be_had(void) {
    return !huge_pages_are("[never]");
}

/* Whether it gives them to everybody, asked or not. */
static inline int huge_pages_for_all(void) {
    return huge_pages_are("[always]");
}
