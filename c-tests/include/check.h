/* CHECK: the one assertion of these programs. It ends with status 1 and names the line. */
#ifndef CHECK_H
#define CHECK_H
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            dprintf(2, "%s:%d: %s is false (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            _exit(1);                                                                            \
        }                                                                                        \
    } while (0)

#define ALIGNED(p, a) (((uintptr_t)(p) & ((uintptr_t)(a)-1)) == 0)
/* The compiler knows nothing about the value any more. */
#ifdef __cplusplus
#define UNQUALIFIED(x) auto
#else
#define UNQUALIFIED(x) __typeof__((x) + 0)
#endif
#define OPAQUE(x)                          \
    ({                                     \
        UNQUALIFIED(x) opaque_ = (x);      \
        __asm__ volatile("" : "+r"(opaque_) : : "memory"); \
        opaque_;                           \
    })

/* A small generator, the same everywhere. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Fills a block with what only its seed can tell, and looks whether it is still there. */
static inline void fill(void *p, size_t size, uint64_t seed) {
    unsigned char *b = (unsigned char *)p;
    for (size_t i = 0; i < size; i++) b[i] = (unsigned char)(seed * 31 + i * 7);
}
static inline int intact(const void *p, size_t size, uint64_t seed) {
    const unsigned char *b = (const unsigned char *)p;
    for (size_t i = 0; i < size; i++)
        if (b[i] != (unsigned char)(seed * 31 + i * 7)) return 0;
    return 1;
}

/* What earlier calls left below the caller's frame is gone. */
static __attribute__((noinline, unused)) void clear_stack(void) {
    volatile char room[20000];
    memset((char *)room, 0, sizeof room);
}

/* A field of /proc/self/status in KiB (VmRSS, VmHWM, VmSize). */
static inline long status_kib(const char *field) {
    char buf[4096];
    FILE *f = fopen("/proc/self/status", "r");
    long value = -1;
    while (f && fgets(buf, sizeof buf, f))
        if (!strncmp(buf, field, strlen(field)) && buf[strlen(field)] == ':') value = atol(buf + strlen(field) + 1);
    if (f) fclose(f);
    return value;
}
#endif
