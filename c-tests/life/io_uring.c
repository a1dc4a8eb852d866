// A worker thread of io_uring is in the kernel's list of our threads, and takes no signal: it hinders no collection.
// modes: gc
// gleaner: collect_every=64k
// timeout: 4
#include "check.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

int main(void) {
    struct io_uring_params p = {0};
    int ring = syscall(SYS_io_uring_setup, 8, &p), ends[2];
    // Forbidden here.
    if (ring < 0) return 0;
    char *queue = mmap(0, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *e = mmap(0, p.sq_entries * sizeof *e, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    CHECK(queue != MAP_FAILED && e != MAP_FAILED && pipe(ends) == 0);
    static char buffer[1];
    *e = (struct io_uring_sqe){
        .opcode = IORING_OP_READ, .fd = ends[0], .addr = (size_t)buffer, .len = 1, .flags = IOSQE_ASYNC};
    *(unsigned *)(queue + p.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    CHECK(syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) == 1);
    for (int i = 0; i < 1000 && status_kib("Threads") < 2; i++) usleep(1000);
    // An abandoned collection takes 200 ms.
    for (int i = 0; i < 200; i++) {
        volatile char *block = malloc(1 << 20);
        block[0] = 1;
        free((void *)block);
    }
    CHECK(write(ends[1], "x", 1) == 1);
    for (int i = 0; i < 1000 && !*(volatile char *)buffer; i++) usleep(1000);
    CHECK(buffer[0] == 'x');
}
