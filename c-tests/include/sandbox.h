/* A seccomp filter: the given numbers are allowed (or refused), every other call gets the other verdict. */
#ifndef SANDBOX_H
#define SANDBOX_H
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT(code, k))
#define JUMP(code, k, yes, no) ((struct sock_filter)BPF_JUMP(code, k, yes, no))

struct sandbox {
    struct sock_filter code[256];
    struct sock_fprog program;
};

static inline void sandbox(struct sandbox *s, const int *numbers, int n, unsigned listed, unsigned others) {
    int k = 0;
    s->code[k++] = STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < n; i++) {
        s->code[k++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
        s->code[k++] = STATEMENT(BPF_RET | BPF_K, listed);
    }
    s->code[k++] = STATEMENT(BPF_RET | BPF_K, others);
    s->program = (struct sock_fprog){.len = k, .filter = s->code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

/* Works long enough for collections and releases: a ring of blocks, each checked before it is freed. */
static inline void work(size_t bytes) {
    enum { N = 4096 };
    static __thread unsigned char *ring[N];
    static __thread uint64_t seed = 88172645463325252u;
    for (size_t done = 0; done < bytes;) {
        size_t i = next_random(&seed) % N, size = 32 + next_random(&seed) % (i % 64 ? 500 : 60000);
        if (ring[i]) CHECK(intact(ring[i], 32, i));
        free(ring[i]);
        CHECK((ring[i] = malloc(size)) != NULL);
        fill(ring[i], 32, i);
        done += size;
    }
    for (size_t i = 0; i < N; i++) {
        free(ring[i]);
        ring[i] = NULL;
    }
}
#endif
