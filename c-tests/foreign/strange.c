// Memory of strange kinds, adopted and as plain roots: huge pages, devices, sealed files, pages that fork drops, rings of the kernel's.
#include "foreign.h"
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>

enum { KINDS = 16, SIZE = 2 << 20, MAP_DROPS = 8 };
static void *volatile keep[KINDS];
static int count, writable[KINDS];
static uintptr_t targets[KINDS];
static size_t sizes[KINDS];

/* A machine that lacks one has fewer kinds. */
static __attribute__((noinline)) void add(void *p, size_t size, int is_writable) {
    if (p == MAP_FAILED) return;
    keep[count] = p, sizes[count] = size, writable[count++] = is_writable;
}
static __attribute__((noinline)) void *map_of(const char *path, size_t size, int prot, int flags) {
    int fd = open(path, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
    void *p = fd < 0 ? MAP_FAILED : mmap(0, size, prot, flags, fd, 0);
    if (fd >= 0) close(fd);
    return p;
}
static __attribute__((noinline)) void make(void) {
    int rw = PROT_READ | PROT_WRITE;
    add(mmap(0, SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), SIZE, 1);
    add(mmap(0, SIZE, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), SIZE, 1);
    add(map_of("/dev/zero", 8 * PAGE, rw, MAP_PRIVATE), 8 * PAGE, 1);
    add(map_of("/dev/zero", 8 * PAGE, rw, MAP_SHARED), 8 * PAGE, 1);
    add(map_of("/dev/mem", PAGE, PROT_READ, MAP_SHARED), PAGE, 0);
    add(map_of("/dev/fb0", PAGE, PROT_READ, MAP_SHARED), PAGE, 0);
    add(map_of("/sys/bus/pci/devices/0000:00:01.0/resource0", PAGE, PROT_READ, MAP_SHARED), PAGE, 0);
    add(mmap(0, 4 * PAGE, rw, MAP_DROPS | MAP_ANONYMOUS, -1, 0), 4 * PAGE, 0);
    add(mmap(0, 4 * PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), 4 * PAGE, 1);
    /* Sealed against all but reading. */
    int fd = memfd_create("strange", MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
    add(mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0), 4 * PAGE, 0);
    add(mmap(0, 4 * PAGE, rw, MAP_PRIVATE, fd, 0), 4 * PAGE, 1);
    struct io_uring_params ring;
    memset(&ring, 0, sizeof ring);
    int uring = (int)syscall(SYS_io_uring_setup, 8, &ring);
    if (uring >= 0) {
        size_t size = ring.sq_off.array + ring.sq_entries * sizeof(unsigned);
        add(mmap(0, size, rw, MAP_SHARED, uring, IORING_OFF_SQ_RING), size, 0);
        add(mmap(0, ring.sq_entries * sizeof(struct io_uring_sqe), rw, MAP_SHARED, uring, IORING_OFF_SQES), PAGE, 0);
    }
    struct perf_event_attr event;
    memset(&event, 0, sizeof event);
    event.size = sizeof event, event.type = PERF_TYPE_SOFTWARE, event.config = PERF_COUNT_SW_DUMMY, event.exclude_kernel = 1;
    int perf = (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (perf >= 0) add(mmap(0, 9 * PAGE, rw, MAP_SHARED, perf, 0), 9 * PAGE, 0);
    CHECK(count >= 6 && count <= KINDS);
}
/* An adopted page that touches nothing else. */
static __attribute__((noinline)) uintptr_t apart(void) {
    char *p = (char *)map(3 * PAGE) + PAGE;
    adopt_note(p, PAGE, GLEANER_NOSCAN, 1);
    return HIDE(p);
}
/* Each that can be written to holds the only pointer to something. */
static __attribute__((noinline)) void plant(void) {
    for (int i = 0; i < count; i++) {
        targets[i] = 0;
        if (!writable[i]) continue;
        targets[i] = apart();
        *(void **)((char *)keep[i] + 2064) = SHOW(targets[i]);
    }
}
static __attribute__((noinline)) void unplant(void) {
    for (int i = 0; i < count; i++)
        if (writable[i]) *(void **)((char *)keep[i] + 2064) = 0;
}

int main(void) {
    make();
    plant();
    collect();
    CHECK(called == 0);
    unplant();
    collect();
    int dead = 0;
    for (int i = 0; i < count; i++) dead += writable[i];
    CHECK(called == dead * collects());

    /* As objects: read if something leads to them, and not once nothing does. */
    plant();
    for (int i = 0; i < count; i++) adopt_note(keep[i], sizes[i], GLEANER_SCAN, 2);
    collect();
    CHECK(called == dead * collects());
    uintptr_t hidden[KINDS];
    for (int i = 0; i < count; i++) hidden[i] = HIDE(keep[i]), keep[i] = 0;
    collect(), collect();
    CHECK(called == (2 * dead + count) * collects());
    for (int i = 0; i < count; i++) CHECK(was_called(hidden[i]) == collects());
    printf("%d kinds\n", count);
    return 0;
}
