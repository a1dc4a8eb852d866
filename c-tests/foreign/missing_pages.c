// Pages that a stopped userfaultfd handler would have to bring: no collection waits for them, and none takes them for read.
// flags: -pthread
#include "foreign.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum kind { ANONYMOUS, SHARED_FILE, OWN_FILE, KINDS };
static int uffd, faults;
static char *volatile range;
static uintptr_t target;

/* Brings a page of zeros. */
static void *serve(void *unused) {
    struct uffd_msg message;
    while (read(uffd, &message, sizeof message) == sizeof message) {
        struct uffdio_zeropage zero = {.range = {message.arg.pagefault.address & ~4095ul, PAGE}, .mode = 0, .zeropage = 0};
        __atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
        CHECK(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0);
        /* Their addresses would keep the range. */
        memset(&message, 0, sizeof message), memset(&zero, 0, sizeof zero);
        __asm__ volatile("" ::"r"(&message), "r"(&zero) : "memory");
        forget();
    }
    return unused;
}
static __attribute__((noinline)) int prepare(enum kind kind) {
    /* Faults in the kernel wait, too, where that is allowed. */
    uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (uffd < 0) uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API, .features = 0, .ioctls = 0};
    if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0) return 0;
    int fd = memfd_create("missing", 0), flags = kind == SHARED_FILE ? MAP_SHARED : MAP_PRIVATE;
    CHECK(fd >= 0 && ftruncate(fd, 8 * PAGE) == 0);
    range = kind == ANONYMOUS ? map(8 * PAGE) : mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
    CHECK(range != MAP_FAILED);
    struct uffdio_register all = {.range = {(uintptr_t)range, 8 * PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
    CHECK(ioctl(uffd, UFFDIO_REGISTER, &all) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, serve, 0) == 0);
    return 1;
}
/* An adopted page that touches nothing else. */
static __attribute__((noinline)) uintptr_t apart(void) {
    char *p = (char *)map(3 * PAGE) + PAGE;
    adopt_note(p, PAGE, GLEANER_NOSCAN, 1);
    return HIDE(p);
}
/* A page that was brought holds the only pointer to the target. */
static __attribute__((noinline)) void plant(void) {
    target = apart();
    *(void **)(range + 3 * PAGE + 64) = SHOW(target);
}
static __attribute__((noinline)) void collect_some(void) {
    for (int i = 0; i < 4; i++) {
        forget();
        int status = gleaner_collect();
        /* Done, or given up. */
        CHECK(!collects() || status == 0 || status == EFAULT);
    }
    gleaner_run_cleanups();
}

static __attribute__((noinline)) void unregister(uintptr_t hidden) {
    struct uffdio_range all = {(uintptr_t)SHOW(hidden), 8 * PAGE};
    CHECK(ioctl(uffd, UFFDIO_UNREGISTER, &all) == 0);
}

static int run(enum kind kind) {
    if (!prepare(kind)) {
        printf("no userfaultfd here\n");
        return 0;
    }
    plant();
    int before = faults;
    CHECK(before == 1);
    /* As a root; then as an object. */
    collect_some();
    CHECK(called == 0 && faults == before);
    adopt_note(range, 8 * PAGE, GLEANER_SCAN, 2);
    collect_some();
    CHECK(called == 0 && faults == before);
    uintptr_t hidden = HIDE(range);
    range = 0;
    collect_some();
    CHECK(faults == before && called <= 2);
    /* No registration, no danger: all is as usual. */
    unregister(hidden);
    collect(), collect();
    CHECK(called == 2 * collects() && was_called(target) == collects());
    return 0;
}
int main(void) {
    for (int kind = 0; kind < KINDS; kind++) {
        pid_t child = fork();
        if (child == 0) exit(run((enum kind)kind));
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    return 0;
}
