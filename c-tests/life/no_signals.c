// A thread in a blocking call is not woken by collections: the kernel counts no switch of it, whatever the call.
// flags: -pthread
// modes: gc
// timeout: 60
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <aio.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>

extern char **environ;
extern ssize_t __read(int, void *, size_t), __write(int, const void *, size_t);
extern int __poll(struct pollfd *, nfds_t, int), __nanosleep(const struct timespec *, struct timespec *);

/* What a case can wait for; its own. */
struct own {
    int in[2], full[2], sock[2], jam[2], event, spent;
    pthread_mutex_t mutex;
    mtx_t mtx;
    pthread_rwlock_t lock;
    sem_t sem;
    pthread_cond_t cond;
    cnd_t cnd;
    pthread_barrier_t barrier;
    pthread_t thread;
    char fifo[64];
    int listener, crowded;
    struct sockaddr_un name;
    int queue, crammed, sems;
    mqd_t mq, mq_full;
    pid_t child;
    int file;
    unsigned word;
};
static char dir[] = "/tmp/gleaner-no-signals-XXXXXX";
static const struct timespec late = {4, 0};
static struct timespec until(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += 100;
    return t;
}
static char page[65536], junk[1 << 20];

/* CASE: the call, made in a thread of its own. */
#define CASE(id, ...)                                       \
    static void id##_(struct own *o) {                      \
        struct timespec real = until(CLOCK_REALTIME), mono = until(CLOCK_MONOTONIC); \
        struct iovec v = {page, 8};                         \
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1}; \
        struct mmsghdr mm = {.msg_hdr = m};                 \
        struct pollfd p = {o->in[0], POLLIN, 0};            \
        sigset_t usr, none;                                 \
        uint64_t many;                                      \
        sigemptyset(&none), sigemptyset(&usr), sigaddset(&usr, SIGUSR2); \
        (void)real, (void)mono, (void)mm, (void)p, (void)many; \
        (void)!(__VA_ARGS__);                               \
    }
CASE(control, ({
         /* Nobody stands before this one. */
         long r;
         register long time asm("r10") = 0;
         asm volatile("syscall" : "=a"(r) : "0"(SYS_futex), "D"(&o->word), "S"(FUTEX_WAIT), "d"(0), "r"(time) : "rcx", "r11", "memory");
         r;
     }))
CASE(read, read(o->in[0], page, 8))
CASE(read_long, read(o->in[0], page, 60000))
CASE(__read, __read(o->in[0], page, 8))
CASE(readv, readv(o->in[0], &v, 1))
CASE(syscall_read, syscall(SYS_read, o->in[0], page, 8))
CASE(poll, poll(&p, 1, -1))
CASE(__poll, __poll(&p, 1, 100000))
CASE(ppoll, ppoll(&p, 1, NULL, &none))
CASE(select, ({ fd_set s; FD_ZERO(&s); FD_SET(o->in[0], &s); select(o->in[0] + 1, &s, NULL, NULL, NULL); }))
CASE(pselect, ({ fd_set s; FD_ZERO(&s); FD_SET(o->in[0], &s); pselect(o->in[0] + 1, &s, NULL, NULL, NULL, &none); }))
#define EPOLL(call) ({ int e = epoll_create1(0); struct epoll_event event = {.events = EPOLLIN}; epoll_ctl(e, EPOLL_CTL_ADD, o->in[0], &event); call; close(e); })
CASE(epoll_wait, EPOLL(epoll_wait(e, &event, 1, -1)))
CASE(epoll_pwait, EPOLL(epoll_pwait(e, &event, 1, -1, &none)))
CASE(epoll_pwait2, EPOLL(epoll_pwait2(e, &event, 1, NULL, &none)))
CASE(splice, splice(o->in[0], NULL, o->sock[1], NULL, 8, 0))
CASE(tee, ({ int e[2]; CHECK(pipe(e) == 0); tee(o->in[0], e[1], 8, 0); close(e[0]), close(e[1]); }))
CASE(eventfd_read, eventfd_read(o->event, &many))
CASE(eventfd_write, eventfd_write(o->spent, 5))
CASE(write, write(o->full[1], page, 8))
CASE(__write, __write(o->full[1], page, 8))
CASE(writev, writev(o->full[1], &v, 1))
CASE(vmsplice, vmsplice(o->full[1], &v, 1, 0))
CASE(sendfile, ({ int z = open("/proc/self/exe", O_RDONLY); sendfile(o->full[1], z, NULL, 8); close(z); }))
CASE(recv, recv(o->sock[0], page, 8, 0))
CASE(recvfrom, recvfrom(o->sock[0], page, 8, 0, NULL, NULL))
CASE(recvmsg, recvmsg(o->sock[0], &m, 0))
CASE(recvmmsg, recvmmsg(o->sock[0], &mm, 1, 0, NULL))
CASE(send, send(o->jam[0], page, 8, 0))
CASE(sendto, sendto(o->jam[0], page, 8, 0, NULL, 0))
CASE(sendmsg, sendmsg(o->jam[0], &m, 0))
CASE(sendmmsg, sendmmsg(o->jam[0], &mm, 1, 0))
CASE(accept, close(accept(o->listener, NULL, NULL)))
CASE(accept4, close(accept4(o->listener, NULL, NULL, 0)))
CASE(connect, ({ int s = socket(AF_UNIX, SOCK_STREAM, 0); connect(s, (void *)&o->name, sizeof o->name); close(s); }))
CASE(nanosleep, nanosleep(&late, NULL))
CASE(__nanosleep, __nanosleep(&late, NULL))
CASE(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &late, NULL))
CASE(usleep, usleep(4000000))
CASE(sleep, sleep(4))
CASE(thrd_sleep, thrd_sleep(&late, NULL))
CASE(sigtimedwait, sigtimedwait(&usr, NULL, &late))
CASE(sigwaitinfo, sigwaitinfo(&usr, NULL))
CASE(sigwait, ({ int got; sigwait(&usr, &got); }))
CASE(pause, pause())
CASE(sigsuspend, sigsuspend(&none))
CASE(sem_wait, sem_wait(&o->sem))
CASE(sem_timedwait, sem_timedwait(&o->sem, &real))
CASE(sem_clockwait, sem_clockwait(&o->sem, CLOCK_MONOTONIC, &mono))
#define UNLOCK(call) ({ CHECK((call) == 0); pthread_mutex_unlock(&o->mutex); })
CASE(pthread_mutex_lock, UNLOCK(pthread_mutex_lock(&o->mutex)))
CASE(pthread_mutex_timedlock, UNLOCK(pthread_mutex_timedlock(&o->mutex, &real)))
CASE(pthread_mutex_clocklock, UNLOCK(pthread_mutex_clocklock(&o->mutex, CLOCK_MONOTONIC, &mono)))
CASE(mtx_lock, ({ mtx_lock(&o->mtx); mtx_unlock(&o->mtx); }))
CASE(mtx_timedlock, ({ mtx_timedlock(&o->mtx, &real); mtx_unlock(&o->mtx); }))
CASE(pthread_rwlock_rdlock, pthread_rwlock_rdlock(&o->lock))
CASE(pthread_rwlock_timedrdlock, pthread_rwlock_timedrdlock(&o->lock, &real))
CASE(pthread_rwlock_clockrdlock, pthread_rwlock_clockrdlock(&o->lock, CLOCK_MONOTONIC, &mono))
CASE(pthread_rwlock_wrlock, pthread_rwlock_wrlock(&o->lock))
CASE(pthread_rwlock_timedwrlock, pthread_rwlock_timedwrlock(&o->lock, &real))
CASE(pthread_rwlock_clockwrlock, pthread_rwlock_clockwrlock(&o->lock, CLOCK_MONOTONIC, &mono))
#define ONE(call) ({ pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER; pthread_mutex_lock(&mine); call; })
CASE(pthread_cond_wait, ONE(pthread_cond_wait(&o->cond, &mine)))
CASE(pthread_cond_timedwait, ONE(pthread_cond_timedwait(&o->cond, &mine, &real)))
CASE(pthread_cond_clockwait, ONE(pthread_cond_clockwait(&o->cond, &mine, CLOCK_MONOTONIC, &mono)))
#define ONE11(call) ({ mtx_t mine; mtx_init(&mine, mtx_plain); mtx_lock(&mine); call; })
CASE(cnd_wait, ONE11(cnd_wait(&o->cnd, &mine)))
CASE(cnd_timedwait, ONE11(cnd_timedwait(&o->cnd, &mine, &real)))
CASE(pthread_barrier_wait, pthread_barrier_wait(&o->barrier))
CASE(pthread_join, pthread_join(o->thread, NULL))
CASE(pthread_timedjoin_np, pthread_timedjoin_np(o->thread, NULL, &real))
CASE(pthread_clockjoin_np, pthread_clockjoin_np(o->thread, NULL, CLOCK_MONOTONIC, &mono))
CASE(thrd_join, thrd_join(o->thread, NULL))
struct letter { long type; char text[8]; };
CASE(msgrcv, ({ struct letter l; msgrcv(o->queue, &l, 8, 0, 0); }))
CASE(msgsnd, ({ struct letter l = {1, "x"}; msgsnd(o->crammed, &l, 8, 0); }))
CASE(semop, ({ struct sembuf b = {0, -1, 0}; semop(o->sems, &b, 1); }))
CASE(semtimedop, ({ struct sembuf b = {0, -1, 0}; semtimedop(o->sems, &b, 1, &late); }))
CASE(mq_receive, mq_receive(o->mq, page, 8, NULL))
CASE(mq_timedreceive, mq_timedreceive(o->mq, page, 8, NULL, &real))
CASE(mq_send, mq_send(o->mq_full, page, 8, 0))
CASE(mq_timedsend, mq_timedsend(o->mq_full, page, 8, 0, &real))
CASE(aio_suspend, ({
         struct aiocb a = {.aio_fildes = o->in[0], .aio_buf = page, .aio_nbytes = 8};
         const struct aiocb *list[] = {&a};
         CHECK(aio_read(&a) == 0);
         aio_suspend(list, 1, NULL);
     }))
CASE(waitpid, waitpid(o->child, NULL, 0))
CASE(wait4, wait4(o->child, NULL, 0, NULL))
CASE(waitid, ({ siginfo_t i; waitid(P_PID, o->child, &i, WEXITED); }))
CASE(system, system("sleep 4"))
CASE(pclose, pclose(popen("exec sleep 4", "w")))
CASE(posix_spawn, ({
         pid_t pid;
         posix_spawn_file_actions_t actions;
         char *argv[] = {"true", NULL};
         posix_spawn_file_actions_init(&actions);
         posix_spawn_file_actions_addopen(&actions, 0, o->fifo, O_RDONLY, 0);
         posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ);
         posix_spawn_file_actions_destroy(&actions);
         waitpid(pid, NULL, 0);
     }))
CASE(vfork, ({
         pid_t pid = vfork();
         if (pid == 0) {
             syscall(SYS_nanosleep, &late, NULL);
             _exit(0);
         }
         waitpid(pid, NULL, 0);
     }))
CASE(open, close(open(o->fifo, O_RDONLY)))
CASE(open64, close(open64(o->fifo, O_RDONLY)))
CASE(openat, close(openat(AT_FDCWD, o->fifo, O_RDONLY)))
CASE(creat, close(creat(o->fifo, 0600)))
CASE(flock, ({ int f = open("/proc/self/fd/0", 0); char path[80]; close(f);
               snprintf(path, sizeof path, "%s/lock", dir); f = open(path, O_RDWR); flock(f, LOCK_EX); close(f); }))
CASE(lockf, lockf(o->file, F_LOCK, 0))
CASE(fcntl, ({ struct flock l = {.l_type = F_WRLCK}; fcntl(o->file, F_SETLKW, &l); }))
#undef CASE

#define C(id) {.name = #id, .call = id##_}
static struct test {
    const char *name;
    void (*call)(struct own *);
    struct own own;
    pthread_t thread;
    volatile int tid;
    long before;
} tests[] = {
    C(control), C(read), C(read_long), C(__read), C(readv), C(syscall_read), C(poll), C(__poll), C(ppoll), C(select), C(pselect),
    C(epoll_wait), C(epoll_pwait), C(epoll_pwait2), C(splice), C(tee), C(eventfd_read), C(eventfd_write), C(write), C(__write),
    C(writev), C(vmsplice), C(sendfile), C(recv), C(recvfrom), C(recvmsg), C(recvmmsg), C(send), C(sendto), C(sendmsg),
    C(sendmmsg), C(accept), C(accept4), C(connect), C(nanosleep), C(__nanosleep), C(clock_nanosleep), C(usleep), C(sleep),
    C(thrd_sleep), C(sigtimedwait), C(sigwaitinfo), C(sigwait), C(pause), C(sigsuspend), C(sem_wait), C(sem_timedwait),
    C(sem_clockwait), C(pthread_mutex_lock), C(pthread_mutex_timedlock), C(pthread_mutex_clocklock), C(mtx_lock),
    C(mtx_timedlock), C(pthread_rwlock_rdlock), C(pthread_rwlock_timedrdlock), C(pthread_rwlock_clockrdlock),
    C(pthread_rwlock_wrlock), C(pthread_rwlock_timedwrlock), C(pthread_rwlock_clockwrlock), C(pthread_cond_wait),
    C(pthread_cond_timedwait), C(pthread_cond_clockwait), C(cnd_wait), C(cnd_timedwait), C(pthread_barrier_wait),
    C(pthread_join), C(pthread_timedjoin_np), C(pthread_clockjoin_np), C(thrd_join), C(msgrcv), C(msgsnd), C(semop),
    C(semtimedop), C(mq_receive), C(mq_timedreceive), C(mq_send), C(mq_timedsend), C(aio_suspend), C(waitpid), C(wait4),
    C(waitid), C(system), C(pclose), C(posix_spawn), C(vfork), C(open), C(open64), C(openat), C(creat), C(flock), C(lockf), C(fcntl),
};
enum { N = sizeof tests / sizeof *tests };

static void nothing(int signal) {}
static void *until_posted(void *arg) {
    CHECK(sem_wait(arg) == 0);
    return NULL;
}
static int until_posted_c11(void *arg) { return until_posted(arg) != NULL; }
static int is(const struct test *t, const char *name) { return strstr(t->name, name) != NULL; }
static void fill_up(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, page, sizeof page) > 0) {}
    while (write(fd, page, 1) > 0) {}
    fcntl(fd, F_SETFL, 0);
}
static void prepare(struct test *t, int number) {
    struct own *o = &t->own;
    CHECK(pipe(o->in) == 0 && pipe(o->full) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, o->sock) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, o->jam) == 0);
    fill_up(o->full[1]);
    fill_up(o->jam[0]);
    o->event = eventfd(0, 0), o->spent = eventfd(0, 0);
    eventfd_write(o->spent, UINT64_MAX - 1);
    pthread_mutex_init(&o->mutex, NULL), pthread_mutex_lock(&o->mutex);
    mtx_init(&o->mtx, mtx_timed), mtx_lock(&o->mtx);
    pthread_rwlock_init(&o->lock, NULL), pthread_rwlock_wrlock(&o->lock);
    sem_init(&o->sem, 0, 0);
    pthread_cond_init(&o->cond, NULL), cnd_init(&o->cnd);
    pthread_barrier_init(&o->barrier, NULL, 2);
    snprintf(o->fifo, sizeof o->fifo, "%s/%d", dir, number);
    CHECK(mkfifo(o->fifo, 0600) == 0);
    if (is(t, "thrd_join")) CHECK(thrd_create(&o->thread, until_posted_c11, &o->sem) == thrd_success);
    else if (is(t, "join")) CHECK(pthread_create(&o->thread, NULL, until_posted, &o->sem) == 0);
    if (is(t, "accept") || is(t, "connect")) {
        o->name.sun_family = AF_UNIX;
        snprintf(o->name.sun_path + 1, 60, "gleaner-no-signals-%d-%d", getpid(), number);
        o->listener = socket(AF_UNIX, SOCK_STREAM, 0), o->crowded = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(bind(o->listener, (void *)&o->name, sizeof o->name) == 0 && listen(o->listener, 0) == 0);
        if (is(t, "connect")) CHECK(connect(o->crowded, (void *)&o->name, sizeof o->name) == 0);
    }
    if (is(t, "msg") && !is(t, "recvm") && !is(t, "sendm")) {
        struct letter l = {1, "x"};
        o->queue = msgget(IPC_PRIVATE, 0600), o->crammed = msgget(IPC_PRIVATE, 0600);
        while (msgsnd(o->crammed, &l, 8, IPC_NOWAIT) == 0) {}
    }
    if (is(t, "semop") || is(t, "semtimedop")) CHECK((o->sems = semget(IPC_PRIVATE, 1, 0600)) >= 0);
    if (is(t, "mq_")) {
        struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
        char name[2][40];
        mqd_t *queues[] = {&o->mq, &o->mq_full};
        for (int i = 0; i < 2; i++) {
            snprintf(name[i], 40, "/gleaner-no-signals-%d-%d-%d", getpid(), number, i);
            CHECK((*queues[i] = mq_open(name[i], O_CREAT | O_RDWR, 0600, &attr)) >= 0);
            mq_unlink(name[i]);
        }
        CHECK(mq_send(o->mq_full, page, 8, 0) == 0);
    }
    if (is(t, "waitpid") || is(t, "wait4") || is(t, "waitid")) {
        if ((o->child = fork()) == 0) for (;;) pause();
    }
    if (is(t, "lockf") || is(t, "fcntl")) {
        char path[80];
        snprintf(path, sizeof path, "%s/held-%d", dir, number);
        o->file = open(path, O_RDWR | O_CREAT, 0600);
        if ((o->child = fork()) == 0) {
            struct flock l = {.l_type = F_WRLCK};
            CHECK(fcntl(o->file, F_SETLKW, &l) == 0 && write(o->in[1], page, 1) == 1);
            for (;;) pause();
        }
        CHECK(read(o->in[0], page, 1) == 1);
    }
}
/* Everything that any of them could wait for. */
static void release(struct test *t) {
    struct own *o = &t->own;
    o->word = 1;
    syscall(SYS_futex, &o->word, FUTEX_WAKE, 9, NULL, NULL, 0);
    CHECK(write(o->in[1], page, 8) == 8 && write(o->sock[1], page, 8) == 8);
    CHECK(read(o->full[0], junk, sizeof junk) > 0 && recv(o->jam[1], junk, sizeof junk, 0) > 0);
    uint64_t n;
    eventfd_write(o->event, 1), eventfd_read(o->spent, &n);
    pthread_mutex_unlock(&o->mutex), mtx_unlock(&o->mtx), pthread_rwlock_unlock(&o->lock);
    sem_post(&o->sem), pthread_cond_signal(&o->cond), cnd_signal(&o->cnd);
    if (is(t, "barrier")) pthread_barrier_wait(&o->barrier);
    if (is(t, "sig") || is(t, "pause")) pthread_kill(t->thread, is(t, "wait") ? SIGUSR2 : SIGUSR1);
    if (is(t, "accept")) CHECK(connect(o->crowded, (void *)&o->name, sizeof o->name) == 0);
    if (is(t, "connect")) CHECK(close(accept(o->listener, NULL, NULL)) == 0);
    struct letter l = {1, "x"};
    if (is(t, "msgrcv")) msgsnd(o->queue, &l, 8, 0);
    if (is(t, "msgsnd")) msgrcv(o->crammed, &l, 8, 0, 0);
    if (o->sems) semctl(o->sems, 0, SETVAL, 1);
    if (is(t, "mq_")) mq_send(o->mq, page, 8, 0), mq_receive(o->mq_full, page, 8, NULL);
    if (o->child) kill(o->child, SIGKILL);
    int fd = open(o->fifo, (is(t, "creat") ? O_RDONLY : O_WRONLY) | O_NONBLOCK);
    pthread_join(t->thread, NULL);
    close(fd);
    if (is(t, "lockf") || is(t, "fcntl")) waitpid(o->child, NULL, 0);
    if (o->sems) semctl(o->sems, 0, IPC_RMID);
    if (o->queue) msgctl(o->queue, IPC_RMID, NULL), msgctl(o->crammed, IPC_RMID, NULL);
    unlink(o->fifo);
}
static void *run(void *arg) {
    struct test *t = arg;
    t->tid = gettid();
    t->call(&t->own);
    return NULL;
}
/* How often the thread gave up its processor; its state. */
static long switches(int tid, char *state) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    close(fd);
    char *at = strstr(text, "\nvoluntary_ctxt_switches:"), *s = strstr(text, "\nState:\t");
    if (state) *state = s ? s[8] : '?';
    return at ? atol(at + strlen("\nvoluntary_ctxt_switches:")) : -1;
}
static int all_wait(void) {
    char state;
    for (int i = 0; i < N; i++) {
        tests[i].before = switches(tests[i].tid, &state);
        if (state != 'S' && state != 'D') return 0;
    }
    usleep(20000);
    for (int i = 0; i < N; i++)
        if (switches(tests[i].tid, NULL) != tests[i].before) return 0;
    return 1;
}
int main(void) {
    int failed = 0, ours = getenv("GLEANER") != NULL;
    struct sigaction act = {.sa_handler = nothing};
    sigset_t usr;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0 && mkdtemp(dir));
    sigemptyset(&usr), sigaddset(&usr, SIGUSR2);
    CHECK(sigprocmask(SIG_BLOCK, &usr, NULL) == 0);
    char lock[80];
    snprintf(lock, sizeof lock, "%s/lock", dir);
    int held = open(lock, O_RDWR | O_CREAT, 0600);
    CHECK(flock(held, LOCK_EX) == 0);
    for (int i = 0; i < N; i++) prepare(&tests[i], i);
    struct timespec begun;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = 0; i < N; i++) CHECK(pthread_create(&tests[i].thread, NULL, run, &tests[i]) == 0);
    for (int i = 0; i < N; i++)
        while (!tests[i].tid) usleep(100);
    for (int i = 0; i < 100 && !all_wait(); i++) {}
    for (int i = 0; i < 20; i++) {
        char *kept[64];
        for (int k = 0; k < 64; k++) kept[k] = malloc(6000);
        for (int k = 0; k < 64; k++) free(kept[k]);
    }
    // On a machine so busy that the calls with a time-out came to it, they and their end count: 24 would be the collections.
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int allowed = now.tv_sec - begun.tv_sec < late.tv_sec - 1 ? 0 : 5;
    for (int i = 0; i < N; i++) {
        char state;
        long n = switches(tests[i].tid, &state) - tests[i].before;
        if (i == 0 ? ours && n < 5 : n > allowed) failed = 1, fprintf(stderr, "%s: woken %ld times (%c)\n", tests[i].name, n, state);
    }
    flock(held, LOCK_UN);
    for (int i = 0; i < N; i++) release(&tests[i]);
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
    return failed;
}
