// A filter that kills for what an answer needs: the program goes on, the visitor is told.
// modes: leak
// native: no
#include "visitor.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int main(void) {
    static char text[65536];
    pid_t parent = getpid(), child;
    CHECK((child = fork()) >= 0);
    if (child == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {sizeof code / sizeof *code, code};
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
        while (getppid() == parent) usleep(10000);
        _exit(0);
    }
    usleep(200000);
    CHECK(visit(child, "--timeout 2", text, sizeof text) == 1);
    CHECK(strstr(text, "did not answer in time: 1 of its 1 threads are in a seccomp sandbox, which may forbid to answer"));
    CHECK(waitpid(child, NULL, WNOHANG) == 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
