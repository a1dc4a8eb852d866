// A filter that ends the process for any call but those of an ordinary malloc, installed in every way that there is.
// gleaner[gc]: collect_every=1m:checkmark=yes
// shell: for way in prctl seccomp tsync raw-prctl; do for begun in no yes; do {exe} $way $begun || exit 1; done; done
// stderr[leak]: gleaner: no leak check: the program's sandbox forbids it
// stderr[leak]: ...
// env: MALLOC_ARENA_MAX=1
// flags: -pthread
#include "sandbox.h"
#include <pthread.h>
#include <stdatomic.h>

static atomic_int stop;
static void *background(void *arg) {
    while (!stop) work(100000);
    return arg;
}

int main(int argc, char **argv) {
    static const int allowed[] = {
        SYS_brk,   SYS_getrandom, SYS_rt_sigaction, SYS_exit, SYS_exit_group, SYS_futex,          SYS_mmap,  SYS_mremap, SYS_munmap,          SYS_mprotect, SYS_read,
        SYS_write, SYS_madvise, SYS_rt_sigprocmask, SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_rseq,     SYS_rt_sigreturn,
    };
    static struct sandbox s;
    pthread_t t;
    CHECK(argc == 3);
    int all = !strcmp(argv[1], "tsync");
    if (!strcmp(argv[2], "yes")) work(4 << 20);
    sandbox(&s, allowed, sizeof allowed / sizeof *allowed, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    /* Just created, it may not have come to its first line when the filter falls upon it. */
    if (all) CHECK(pthread_create(&t, NULL, background, NULL) == 0);
    long done = -1;
    if (!strcmp(argv[1], "prctl")) done = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s.program);
    if (!strcmp(argv[1], "raw-prctl")) done = syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s.program, 0, 0);
    if (!strcmp(argv[1], "seccomp")) done = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &s.program);
    if (all) done = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &s.program);
    CHECK(done == 0);
    work(20 << 20);
    char *big = malloc(OPAQUE((size_t)100 << 20));
    fill(big, 5000, 1);
    CHECK((big = realloc(big, (size_t)150 << 20)) != NULL && intact(big, 5000, 1));
    free(big);
    work(20 << 20);
    stop = 1;
    if (all) CHECK(pthread_join(t, NULL) == 0);
    /* One that is made within. */
    stop = 0;
    CHECK(pthread_create(&t, NULL, background, NULL) == 0);
    work(4 << 20);
    stop = 1;
    CHECK(pthread_join(t, NULL) == 0);
}
