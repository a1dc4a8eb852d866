/* io_uring by hand: four entries, polls of a pipe. */
#ifndef RING_H
#define RING_H
#include "check.h"
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct io_uring_params params_;
static struct io_uring_sqe *entries_;
static char *ring_;
static size_t ring_size_;

/* Its descriptor; -1: there is no such thing here. */
static inline int ring_open(void) {
    memset(&params_, 0, sizeof params_);
    int fd = syscall(SYS_io_uring_setup, 4, &params_);
    if (fd < 0) return -1;
    ring_size_ = params_.cq_off.cqes + params_.cq_entries * sizeof(struct io_uring_cqe);
    ring_ = mmap(NULL, ring_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    entries_ = mmap(NULL, 4 * sizeof *entries_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
    CHECK(ring_ != MAP_FAILED && entries_ != MAP_FAILED);
    return fd;
}
static inline void ring_close(int fd) {
    CHECK(munmap(ring_, ring_size_) == 0 && munmap(entries_, 4 * sizeof *entries_) == 0 && close(fd) == 0);
}
/* Asks to be told with `data` when there is something to read. */
static inline void ring_poll(int fd, int readable, const void *data) {
    unsigned *tail = (unsigned *)(ring_ + params_.sq_off.tail), n = *tail & 3;
    entries_[n] = (struct io_uring_sqe){.opcode = IORING_OP_POLL_ADD, .fd = readable, .poll32_events = POLLIN};
    entries_[n].user_data = (uintptr_t)data;
    ((unsigned *)(ring_ + params_.sq_off.array))[n] = n;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    CHECK(syscall(SYS_io_uring_enter, fd, 1, 0, 0, NULL, 0) == 1);
}
/* The data of the next completion; NULL: there is none yet. */
static inline void *ring_next(void) {
    unsigned *head = (unsigned *)(ring_ + params_.cq_off.head);
    if (*head == __atomic_load_n((unsigned *)(ring_ + params_.cq_off.tail), __ATOMIC_ACQUIRE)) return NULL;
    struct io_uring_cqe *all = (struct io_uring_cqe *)(ring_ + params_.cq_off.cqes);
    void *data = (void *)(uintptr_t)all[*head & (params_.cq_entries - 1)].user_data;
    all[*head & (params_.cq_entries - 1)].user_data = 0;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return data;
}
#endif
