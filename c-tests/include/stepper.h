/* A thread is stepped by ptrace, and at each instruction another thread of its process collects.
 *
 * The program forks at its start. The child is what is stepped; the parent steps it. Before each
 * instruction the parent asks the child's collecting thread for a collection, and waits until that is
 * over (the instruction could be stopped at: *parked*) or the stop signal has come. It has the signal
 * delivered right there, and follows the handler to its end. If the collection is over then, it was
 * parked too. If the signal comes again instead, the thread put the stop off: the instruction is *deferred*,
 * and so are those that follow until the collection is over.
 *
 * So a parked instruction is one at which a whole collection took place while the thread stood there. */
#ifndef STEPPER_H
#define STEPPER_H
#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

enum how {
    FAST,      /* no instruction may be deferred */
    ANY,       /* some may */
    NEW_THREAD /* the next thread that the stepped one makes is stepped instead, from its first instruction to its last */
};
/* What both processes see. */
struct shared {
    int first;                  /* the processor that the stepper takes: several tests run abreast */
    volatile int collector;     /* the collecting thread's id */
    volatile int ready, attached, asked, done, over;
    volatile int failed, why;   /* a collection did not take place, and what it said */
    volatile int how;           /* of the call */
    int dawdle;                 /* microseconds between a signal and the first instruction of its handler */
    int thorough, visits;       /* TORTURE=long: collections at each instruction of a call */
    char name[64];
    volatile size_t size;       /* what the collecting thread allocates between collections */
    void *volatile gift;        /* a block that it frees after a collection */
    void *volatile offer;       /* one that it allocates then, if there is none */
    volatile long fed;          /* bytes that the stepper writes to `feed` once there was a collection while the stepped thread slept */
    int feed;
    long calls, steps, parked, deferred, unasked, longest, asleep;
};
static struct shared *shared;
int gleaner_collect(void) __attribute__((weak));

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static inline void futex(volatile int *word, int op, int value) { syscall(SYS_futex, word, op, value, NULL, NULL, 0); }

/* The stepper and the stepped take turns: that is quickest on one processor. The collecting thread has another. */
static inline void run_on(int processor) {
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
    CPU_ZERO(&one);
    for (int i = 0, n = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && n++ == (shared->first + processor) % 2) CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* ---- the stepped process ---- */

/* Calls f(a ^ key, b, c) between two breakpoints; the value comes back ^ out. What it is called with, and what it
 * returns, is then in no other place than a register when it is called and when it returns. */
uint64_t stepped_call(void *f, uint64_t a, uint64_t b, uint64_t c, uint64_t key, uint64_t out);
__asm__(".text\n.globl stepped_call\n.type stepped_call, @function\nstepped_call:\n"
        " .cfi_startproc\n push %rbp\n .cfi_def_cfa_offset 16\n .cfi_offset 6, -16\n mov %rsp, %rbp\n"
        " .cfi_def_cfa_register 6\n push %r12\n push %r13\n mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n"
        " mov %rcx, %rdx\n mov %r9, %r12\n xor %r8, %rdi\n xor %r8d, %r8d\n xor %ecx, %ecx\n"
        " int3\n call *%rax\n int3\n"
        " xor %r12, %rax\n pop %r13\n pop %r12\n pop %rbp\n .cfi_def_cfa 7, 8\n ret\n .cfi_endproc\n");

static const uint64_t SECRET = 0xa5a5a5a5a5a5a5a5u;

static inline void next_call(enum how how, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(shared->name, sizeof shared->name, format, list);
    va_end(list);
    shared->how = how;
}

/* Collects when asked. */
static void *collector_(void *unused) {
    static void *mine[64];
    unsigned at = 0;
    int last = 0;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    run_on(1);
    shared->collector = gettid();
    shared->ready = 1;
    for (;;) {
        while (shared->asked == last && !shared->over) futex(&shared->asked, FUTEX_WAIT, last);
        if (shared->over) return NULL;
        last = shared->asked;
        int why = gleaner_collect();
        if (why != 0) {
            shared->why = why;
            shared->failed = 1;
        }
        /* What was freed by mistake is given out here, and written to. */
        for (int i = 0; i < 2; i++, at = (at + 1) % 64) {
            free(mine[at]);
            mine[at] = malloc(shared->size);
            if (mine[at] != NULL) memset(mine[at], 0xee, shared->size);
        }
        void *gift = shared->gift;
        shared->gift = NULL;
        free(gift);
        if (shared->offer == NULL) shared->offer = malloc(shared->size);
        shared->done = last;
    }
}

/* ---- the stepping process ---- */

struct tracee {
    pid_t pid, tid;
    int outstanding; /* the collection that was asked for is not over */
    int ended, status;
    int asleep; /* a collection was asked for while it slept in this call */
};

static void fail_(const char *what, long value) {
    dprintf(2, "stepper: %s (%ld, errno %d) in %s\n", what, value, errno, shared->name);
    _exit(1);
}
#define MUST(call)                             \
    ({                                         \
        errno = 0;                             \
        long must_ = (long)(call);             \
        if (must_ == -1 && errno != 0) fail_(#call, must_); \
        must_;                                 \
    })

static int is_pending(struct tracee *t) {
    struct __ptrace_peeksiginfo_args args = {0, 0, 8};
    siginfo_t info[8];
    uint64_t blocked = 0;
    long n = ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, info);
    if (n <= 0) return 0;
    MUST(ptrace(PTRACE_GETSIGMASK, t->tid, sizeof blocked, &blocked));
    for (long i = 0; i < n; i++)
        if (!(blocked >> (info[i].si_signo - 1) & 1)) return 1;
    return 0;
}
/* The thread stands in front of a system call, or comes from one, in a handler. */
static int syscall_of(struct tracee *t) {
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, t->tid, NULL, &regs));
    return (int)regs.orig_rax;
}
/* Notes the end of the thread. */
static int look_at(struct tracee *t, int status) {
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        t->ended = 1;
        t->status = WEXITSTATUS(status);
        if (WIFSIGNALED(status)) fail_("the stepped thread was ended by signal", WTERMSIG(status));
    }
    return status;
}
static int wait_stop(struct tracee *t) {
    int status;
    MUST(waitpid(t->tid, &status, __WALL));
    return look_at(t, status);
}
/* Follows the handler of a signal that is being delivered until it returns. Whether it waited for something. */
static int follow_handler(struct tracee *t, long signal) {
    if (shared->dawdle) {
        MUST(ptrace(PTRACE_SINGLESTEP, t->tid, NULL, signal));
        signal = 0;
        wait_stop(t);
        usleep((useconds_t)shared->dawdle);
    }
    for (int leaving = 0, waited = 0;;) {
        MUST(ptrace(PTRACE_SYSCALL, t->tid, NULL, signal));
        signal = 0;
        int status = wait_stop(t);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) fail_("the handler was left in another way", status);
        if (leaving) return waited;
        int call = syscall_of(t);
        waited |= call == SYS_futex;
        leaving = call == SYS_rt_sigreturn;
    }
}
/* Has a pending signal delivered here. */
static int through_handler(struct tracee *t) {
    struct user_regs_struct before, after;
    MUST(ptrace(PTRACE_GETREGS, t->tid, NULL, &before));
    MUST(ptrace(PTRACE_SINGLESTEP, t->tid, NULL, 0));
    int status = wait_stop(t);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) == SIGTRAP) fail_("no signal came", status);
    MUST(ptrace(PTRACE_GETREGS, t->tid, NULL, &after));
    if (after.rip != before.rip) fail_("the signal came late", (long)(after.rip - before.rip));
    int waited = follow_handler(t, WSTOPSIG(status));
    MUST(ptrace(PTRACE_GETREGS, t->tid, NULL, &after));
    /* A system call that the signal has ended begins again. */
    long value = (long)before.rax;
    if (value <= -512 && value >= -516) return waited;
    if (after.rip != before.rip || after.rsp != before.rsp || after.rax != before.rax || after.eflags != before.eflags)
        fail_("the handler returned to another place", (long)(after.rip - before.rip));
    return waited;
}
static int is_over(struct tracee *t) {
    if (t->outstanding && shared->done == shared->asked) {
        t->outstanding = 0;
        if (shared->failed) fail_("a collection was abandoned", shared->why);
    }
    return !t->outstanding;
}

/* A word of the collecting thread's file in /proc. */
static void read_of_collector(struct tracee *t, const char *file, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", t->pid, shared->collector, file);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
}
/* What the collecting thread waits for is no answer to a signal, but something that the stepped thread has: it
 * sleeps, or has spun for two milliseconds of its own. */
static int is_stuck(struct tracee *t, long long *ran) {
    char text[512];
    read_of_collector(t, "stat", text, sizeof text);
    const char *state = strrchr(text, ')');
    if (state && state[2] == 'S' && !is_over(t) && !is_pending(t)) return 1;
    read_of_collector(t, "schedstat", text, sizeof text);
    long long now = atoll(text);
    if (*ran == 0) *ran = now;
    /* Where that would be a failure it may as well have been slow, on a machine that has other things to do. */
    return now - *ran > (shared->how == FAST ? 200000000 : 2000000);
}

static void ask(struct tracee *t) {
    t->outstanding = 1;
    shared->asked++;
    futex(&shared->asked, FUTEX_WAKE, 1);
}

/* Lets a whole collection take place here if that is possible. */
static void examine(struct tracee *t, struct shared *sum) {
    int fresh = !t->outstanding;
    if (fresh) ask(t);
    double begun = seconds();
    int met = 0, waited = 0;
    long long ran = 0;
    for (long looks = 1; !is_over(t); looks++) {
        if (is_pending(t)) {
            /* A second request may have been on its way when the first was answered. */
            waited |= through_handler(t);
            if (++met >= 2 && !waited) break;
        } else if (!fresh && !waited) {
            break;
        } else if (!waited && looks % 32 == 0 && is_stuck(t, &ran)) {
            break;
        } else if (looks % 1024 == 0 && seconds() - begun > 60) {
            fail_("the collecting thread neither ends nor asks", t->tid);
        }
        if (looks % 4 == 0) sched_yield();
    }
    if (t->outstanding || !fresh) {
        sum->deferred++;
        if (shared->how == FAST) {
            struct user_regs_struct regs;
            MUST(ptrace(PTRACE_GETREGS, t->tid, NULL, &regs));
            fail_("a fast path puts a stop off at", (long)regs.rip);
        }
    } else {
        sum->parked++;
    }
}

/* Whether an instruction has had its collections in this call. The loops by which threads leave a stop would never
 * end otherwise: each collection has them begin again. Nor would a memset. */
enum { PLACES = 1 << 14 };
static int is_worn(struct tracee *t, long call) {
    static struct {
        uint64_t rip;
        long call, visits;
    } places[PLACES];
    struct user_regs_struct regs;
    MUST(ptrace(PTRACE_GETREGS, t->tid, NULL, &regs));
    uint64_t at = regs.rip * 0x9e3779b97f4a7c15u >> 50;
    for (int looks = 0; looks < 64; looks++, at = (at + 1) % PLACES) {
        if (places[at].call != call) {
            places[at].call = call;
            places[at].rip = regs.rip;
            places[at].visits = 0;
        }
        if (places[at].rip == regs.rip) return places[at].visits++ >= shared->visits;
    }
    return 1;
}

/* Waits for the end of one instruction. It may be a call in which the thread sleeps until it is fed: before that there is
 * a collection. */
static int wait_step(struct tracee *t, struct shared *sum) {
    int status;
    for (double begun = seconds(); shared->fed; sched_yield()) {
        if ((pid_t)MUST(waitpid(t->tid, &status, __WALL | WNOHANG)) == t->tid) return look_at(t, status);
        if (!is_over(t) || seconds() - begun < 0.002) continue;
        char call[64], path[64];
        snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", t->pid, t->tid);
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, call, sizeof call - 1);
        close(fd);
        call[n > 0 ? n : 0] = 0;
        if (n <= 0 || call[0] < '0' || call[0] > '9' || atoi(call) == SYS_futex) continue;
        if (!t->asleep) {
            t->asleep = 1;
            sum->asleep++;
            ask(t);
            continue;
        }
        static const char text[4096] = "";
        long bytes = shared->fed;
        shared->fed = 0;
        t->asleep = 0;
        if (write(shared->feed, text, (size_t)bytes) != bytes) fail_("feeding", bytes);
    }
    return wait_stop(t);
}

/* Steps the thread until the breakpoint behind the call, or to its end. */
static void step_all(struct tracee *t, struct shared *sum) {
    static long call;
    long before = sum->deferred, longest = 0;
    call++;
    for (;;) {
        if (t->outstanding || !is_worn(t, call))
            examine(t, sum);
        else
            sum->unasked++;
        longest = sum->deferred == before ? 0 : longest + 1;
        if (longest > sum->longest) sum->longest = longest;
        before = sum->deferred;
        MUST(ptrace(PTRACE_SINGLESTEP, t->tid, NULL, 0));
        int status = wait_step(t, sum);
        sum->steps++;
        if (t->ended) break;
        if (WSTOPSIG(status) != SIGTRAP) {
            /* A request came before the instruction began. */
            follow_handler(t, WSTOPSIG(status));
            sum->steps--;
            continue;
        }
        siginfo_t info;
        MUST(ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info));
        if (info.si_code == SI_KERNEL) break;
    }
    /* What is still asked for is answered behind the call. */
    double begun = seconds();
    while (!is_over(t)) {
        if (!t->ended && is_pending(t)) through_handler(t);
        if (seconds() - begun > 60) fail_("a collection does not end", shared->asked);
    }
}

/* One line for all calls of a name. */
static struct row {
    char name[64];
    struct shared sum;
} rows[64];
static struct shared *row_of(const char *name) {
    struct row *row = rows;
    while (row->name[0] && strcmp(row->name, name)) row++;
    strcpy(row->name, name);
    row->sum.calls++;
    return &row->sum;
}
static void print_rows(double begun) {
    long steps = 0, parked = 0, deferred = 0;
    printf("%-28s %6s %8s %8s %8s %8s %8s %6s\n", "call", "calls", "instr", "parked", "deferred", "unasked", "longest",
           "asleep");
    for (struct row *r = rows; r->name[0]; r++) {
        printf("%-28s %6ld %8ld %8ld %8ld %8ld %8ld %6ld\n", r->name, r->sum.calls, r->sum.steps, r->sum.parked, r->sum.deferred,
               r->sum.unasked, r->sum.longest, r->sum.asleep);
        steps += r->sum.steps, parked += r->sum.parked, deferred += r->sum.deferred;
    }
    printf("in all: %ld instructions, parked at %ld, deferred at %ld, %d collections, %.1f s\n", steps, parked, deferred,
           shared->asked, seconds() - begun);
}

enum { OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL };
/* The stepped thread is about to make a thread: that one is stepped, this one let go meanwhile. */
static void step_new_thread(struct tracee *maker, struct shared *sum) {
    MUST(ptrace(PTRACE_SETOPTIONS, maker->tid, NULL, OPTIONS | PTRACE_O_TRACECLONE));
    MUST(ptrace(PTRACE_CONT, maker->tid, NULL, 0));
    int status = wait_stop(maker);
    if (status >> 8 != (SIGTRAP | PTRACE_EVENT_CLONE << 8)) fail_("no thread was made", status);
    unsigned long made;
    MUST(ptrace(PTRACE_GETEVENTMSG, maker->tid, NULL, &made));
    struct tracee t = {.pid = maker->pid, .tid = (pid_t)made};
    wait_stop(&t);
    MUST(ptrace(PTRACE_DETACH, maker->tid, NULL, 0));
    step_all(&t, sum);
    if (!t.ended) fail_("the thread did not end", t.tid);
    MUST(ptrace(PTRACE_SEIZE, maker->tid, NULL, OPTIONS));
    shared->attached = 1;
}
static int step_program(pid_t pid) {
    double begun = seconds();
    struct tracee t = {.pid = pid, .tid = pid};
    run_on(0);
    if (ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS) != 0) {
        printf("skipped: ptrace is refused here (%s)\n", strerror(errno));
        kill(pid, SIGKILL);
        return 0;
    }
    shared->attached = 1;
    for (int status = wait_stop(&t); !t.ended; status = wait_stop(&t)) {
        long signal = WSTOPSIG(status);
        siginfo_t info;
        if (signal == SIGTRAP) {
            signal = 0;
            MUST(ptrace(PTRACE_GETSIGINFO, t.tid, NULL, &info));
            if (info.si_code == SI_KERNEL) {
                struct shared *sum = row_of(shared->name);
                if (shared->how == NEW_THREAD) {
                    step_new_thread(&t, sum);
                    continue;
                }
                step_all(&t, sum);
            }
        }
        MUST(ptrace(PTRACE_CONT, t.tid, NULL, signal));
    }
    print_rows(begun);
    return t.status;
}
static void wait_attached(void) {
    while (!shared->attached) usleep(1000);
}
/* Makes a thread whose every instruction is stepped, and waits for its end; its value. */
static __attribute__((noinline, unused)) void *stepped_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    shared->how = NEW_THREAD;
    shared->attached = 0;
    __asm__ volatile("int3" : : : "memory");
    int made = pthread_create(&thread, NULL, body, argument);
    void *value;
    if (made != 0 || pthread_join(thread, &value) != 0) _exit(3);
    wait_attached();
    return value;
}

/* Runs `body` in a child, its first thread stepped. */
static int stepping(void (*body)(void)) {
    shared = (struct shared *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && gleaner_collect != NULL);
    shared->first = getpid() / 2 % 2;
    shared->thorough = getenv("TORTURE") != NULL && !strcmp(getenv("TORTURE"), "long");
    shared->visits = shared->thorough ? 6 : 2;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0) return step_program(child);
    pthread_t collecting;
    wait_attached();
    CHECK(pthread_create(&collecting, NULL, collector_, NULL) == 0);
    while (!shared->ready) usleep(1000);
    run_on(0);
    body();
    shared->over = 1;
    shared->asked++;
    futex(&shared->asked, FUTEX_WAKE, 1);
    CHECK(pthread_join(collecting, NULL) == 0);
    exit(0);
}
#endif
