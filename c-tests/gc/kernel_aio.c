// A context of libaio's: what its operations hold is nowhere to be seen, and nothing is freed until it is destroyed.
// modes: gc
// native: no
// gleaner: min_growth=1g
#include "check.h"
#include <gleaner.h>
#include <linux/aio_abi.h>
#include <malloc.h>
#include <sys/syscall.h>

enum { N = 100, SIZE = 1000 };
static __attribute__((noinline)) void lose(void) {
    for (int i = 0; i < N; i++) memset(malloc(SIZE), 1, SIZE);
}
int main(void) {
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 8, &context) != 0) return 0;
    lose();
    clear_stack();
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 8; i++) CHECK(gleaner_collect() == EINPROGRESS);
    CHECK(mallinfo2().uordblks >= before);
    CHECK(syscall(SYS_io_destroy, context) == 0);
    for (int i = 0; i < 5; i++) CHECK(gleaner_collect() == 0);
    CHECK(mallinfo2().uordblks + (N - 4) * SIZE < before);
}
