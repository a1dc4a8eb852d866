// Every call that the stop's signal could interrupt: result, errno and time are the native ones while collections run.
// flags: -pthread
// timeout: 90
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <fcntl.h>
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
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/inotify.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <linux/futex.h>


extern char **environ;
#define MS 150
static volatile int stop;
/* A handler of the program's ends the call. */
static int meant;
static int failed;

static void *churn(void *arg) {
    char *kept[64];
    while (!stop) {
        /* Many at a time, or the slow paths that collect are never taken. */
        for (int i = 0; i < 64; i++) kept[i] = malloc(6000);
        for (int i = 0; i < 64; i++) free(kept[i]);
        struct timespec t = {0, 300000};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    }
    return NULL;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
/* One line of the table: what came back, and whether it lasted `ms` (a little less, for a timer's
 * slack, or more, as the machine is loaded). */
static void row(const char *name, double start, double ms, long result, int error) {
    double took = now() - start;
    int early = took < ms - 1.5, timely = !early && took < ms * 3 + 1000;
    printf("%-28s %ld %s%s\n", name, result, result < 0 || error ? strerrorname_np(error) : "-",
           timely ? "" : early ? " EARLY" : " LATE");
    if (!timely) failed = 1, fprintf(stderr, "%s took %.1f ms, not %.0f\n", name, took, ms);
    if (error == EINTR && !meant) failed = 1, fprintf(stderr, "%s: EINTR\n", name);
}
#define ROW(name, ms, call)                                          \
    do {                                                             \
        errno = 0;                                                   \
        double start = now();                                        \
        long result = (long)(call);                                  \
        int error = errno;                                           \
        row(name, start, ms, result, error);                         \
    } while (0)

static struct timespec brief = {0, MS * 1000000};
static struct timespec after(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += MS * 1000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}
/* Does something late, in a thread. */
enum what { WRITE, DRAIN, POST, CONNECT, ACCEPT, OPEN, UNLOCK, MESSAGE, TAKE, RELEASE, SHUT };
struct late {
    enum what what;
    int fd;
    void *object;
};
static void *be_late(void *arg) {
    struct late *l = arg;
    static char sink[1 << 20];
    struct timespec t = brief;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    struct { long type; char text[8]; } message = {1, "x"};
    switch (l->what) {
    case WRITE: CHECK(write(l->fd, "12345678", 8) == 8); break;
    case DRAIN: CHECK(read(l->fd, sink, sizeof sink) > 0); break;
    case POST: sem_post(l->object); break;
    case CONNECT: {
        int s = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(s, l->object, sizeof(struct sockaddr_un)) == 0);
        close(s);
        break;
    }
    case ACCEPT: close(accept(l->fd, NULL, NULL)); break;
    case SHUT: close(l->fd); break;
    case RELEASE: pthread_mutex_unlock(l->object); break;
    case OPEN: {
        int fd = open(l->object, O_WRONLY);
        CHECK(fd >= 0);
        close(fd);
        break;
    }
    case UNLOCK: flock(l->fd, LOCK_UN); break;
    case MESSAGE: CHECK(msgsnd(l->fd, &message, 8, 0) == 0); break;
    case TAKE: CHECK(msgrcv(l->fd, &message, 8, 0, 0) == 8); break;
    }
    return NULL;
}
#define LATE(name, what, fd, object, call)                           \
    do {                                                             \
        struct late late_ = {what, fd, object};                      \
        pthread_t late_thread_;                                      \
        CHECK(pthread_create(&late_thread_, NULL, be_late, &late_) == 0); \
        /* The other thread's time may begin before this one's. */   \
        ROW(name, MS - 60, call);                                    \
        pthread_join(late_thread_, NULL);                            \
    } while (0)

static pid_t child(void) {
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec t = brief;
        nanosleep(&t, NULL);
        _exit(7);
    }
    return pid;
}
static void *brief_thread(void *arg) {
    struct timespec t = brief;
    nanosleep(&t, NULL);
    return NULL;
}

static void sleeps(void) {
    struct timespec t, rest = {0, 0};
    ROW("nanosleep", MS, nanosleep(&brief, &rest));
    ROW("clock_nanosleep", MS, clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, &rest));
    t = after(CLOCK_MONOTONIC);
    ROW("clock_nanosleep absolute", MS, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    ROW("usleep", MS, usleep(MS * 1000));
    ROW("sleep", 1000, sleep(1));
    ROW("thrd_sleep", MS, thrd_sleep(&brief, &rest));
    ROW("syscall nanosleep", MS, syscall(SYS_nanosleep, &brief, &rest));
}
static void polls(void) {
    int epoll = epoll_create1(0);
    struct epoll_event event;
    struct timeval tv = {0, MS * 1000};
    sigset_t none;
    sigemptyset(&none);
    ROW("poll", MS, poll(NULL, 0, MS));
    ROW("ppoll", MS, ppoll(NULL, 0, &brief, &none));
    ROW("select", MS, select(0, NULL, NULL, NULL, &tv));
    ROW("pselect", MS, pselect(0, NULL, NULL, NULL, &brief, &none));
    ROW("epoll_wait", MS, epoll_wait(epoll, &event, 1, MS));
    ROW("epoll_pwait", MS, epoll_pwait(epoll, &event, 1, MS, &none));
    ROW("epoll_pwait2", MS, syscall(441, epoll, &event, 1, &brief, &none, 8));
    ROW("syscall poll", MS, syscall(SYS_poll, NULL, 0, MS));
    close(epoll);
}
static void nothing(int signal) {}
static void signals(void) {
    sigset_t usr;
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr, NULL);
    ROW("sigtimedwait", MS, sigtimedwait(&usr, NULL, &brief));
    struct itimerval one = {{0, 0}, {0, MS * 1000}};
    int got;
    sigaddset(&usr, SIGALRM);
    sigprocmask(SIG_BLOCK, &usr, NULL);
    setitimer(ITIMER_REAL, &one, NULL);
    ROW("sigwaitinfo", MS, sigwaitinfo(&usr, NULL));
    setitimer(ITIMER_REAL, &one, NULL);
    ROW("sigwait", MS, sigwait(&usr, &got));
    struct sigaction act = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &act, NULL);
    sigset_t none;
    sigemptyset(&none);
    meant = 1;
    setitimer(ITIMER_REAL, &one, NULL);
    ROW("sigsuspend", MS, sigsuspend(&none));
    sigprocmask(SIG_UNBLOCK, &usr, NULL);
    setitimer(ITIMER_REAL, &one, NULL);
    ROW("pause", MS, pause());
    meant = 0;
}
static void semaphores(void) {
    sem_t sem;
    sem_init(&sem, 0, 0);
    struct timespec t = after(CLOCK_REALTIME);
    ROW("sem_timedwait", MS, sem_timedwait(&sem, &t));
    t = after(CLOCK_MONOTONIC);
    ROW("sem_clockwait", MS, sem_clockwait(&sem, CLOCK_MONOTONIC, &t));
    LATE("sem_wait", POST, 0, &sem, sem_wait(&sem));
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    t = after(CLOCK_REALTIME);
    ROW("pthread_cond_timedwait", MS, pthread_cond_timedwait(&cond, &mutex, &t));
    t = after(CLOCK_MONOTONIC);
    ROW("pthread_cond_clockwait", MS, pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &t));
    t = after(CLOCK_REALTIME);
    ROW("pthread_mutex_timedlock", MS, pthread_mutex_timedlock(&mutex, &t));
    pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
    pthread_rwlock_rdlock(&rw);
    t = after(CLOCK_REALTIME);
    ROW("pthread_rwlock_timedwrlock", MS, pthread_rwlock_timedwrlock(&rw, &t));
    t = after(CLOCK_MONOTONIC);
    ROW("pthread_mutex_clocklock", MS, pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &t));
    mtx_t mtx;
    cnd_t cnd;
    mtx_init(&mtx, mtx_timed), mtx_lock(&mtx), cnd_init(&cnd);
    t = after(CLOCK_REALTIME);
    ROW("cnd_timedwait", MS, cnd_timedwait(&cnd, &mtx, &t));
    t = after(CLOCK_REALTIME);
    ROW("mtx_timedlock", MS, mtx_timedlock(&mtx, &t));
    pthread_mutex_t late = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&late);
    LATE("pthread_mutex_lock", RELEASE, 0, &late, pthread_mutex_lock(&late));
    unsigned word = 0;
    ROW("syscall futex", MS, syscall(SYS_futex, &word, FUTEX_WAIT, 0, &brief, NULL, 0));
    t = after(CLOCK_MONOTONIC);
    ROW("syscall futex bitset", MS, syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &t, NULL, 0x40));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, brief_thread, NULL) == 0);
    ROW("pthread_join", MS, pthread_join(thread, NULL));
    CHECK(pthread_create(&thread, NULL, brief_thread, NULL) == 0);
    t = after(CLOCK_REALTIME);
    t.tv_sec += 9;
    ROW("pthread_timedjoin_np", MS, pthread_timedjoin_np(thread, NULL, &t));
}
static void descriptors(void) {
    int ends[2], pair[2], event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    char buffer[8], *big = calloc(1, 1 << 20);
    uint64_t count;
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    LATE("read pipe", WRITE, ends[1], NULL, read(ends[0], buffer, 8));
    LATE("readv pipe", WRITE, ends[1], NULL, readv(ends[0], &(struct iovec){buffer, 8}, 1));
    LATE("splice pipe", WRITE, ends[1], NULL, splice(ends[0], NULL, pair[0], NULL, 8, 0));
    CHECK(read(pair[1], buffer, 8) == 8);
    FILE *stream = fdopen(dup(ends[0]), "r");
    LATE("fread pipe", WRITE, ends[1], NULL, fread(buffer, 1, 8, stream));
    fclose(stream);
    int watch = inotify_init();
    /* A file of its own: the same program runs in other modes meanwhile. */
    char watched[] = "/tmp/gleaner-eintr-XXXXXX";
    close(mkstemp(watched));
    CHECK(inotify_add_watch(watch, watched, IN_OPEN) >= 0);
    LATE("poll inotify", OPEN, 0, watched, poll(&(struct pollfd){watch, POLLIN, 0}, 1, MS * 10) >= 0);
    close(watch);
    unlink(watched);
    LATE("read eventfd", WRITE, event, NULL, read(event, &count, 8));
    struct itimerspec spec = {{0, 0}, brief};
    timerfd_settime(timer, 0, &spec, NULL);
    ROW("read timerfd", MS, read(timer, &count, 8));
    CHECK(write(ends[1], big, 65536) == 65536);
    LATE("write full pipe", DRAIN, ends[0], NULL, write(ends[1], buffer, 8));
    LATE("recv", WRITE, pair[1], NULL, recv(pair[0], buffer, 8, 0));
    struct msghdr m = {0};
    struct iovec v = {buffer, 8};
    m.msg_iov = &v, m.msg_iovlen = 1;
    LATE("recvmsg", WRITE, pair[1], NULL, recvmsg(pair[0], &m, 0));
    struct timeval tv = {0, MS * 1000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    ROW("recv SO_RCVTIMEO", MS - 5, recv(pair[0], buffer, 8, 0));
    ROW("read SO_RCVTIMEO", MS - 5, read(pair[0], buffer, 8));
    while (send(pair[0], big, 4096, MSG_DONTWAIT) > 0) {}
    ROW("send SO_SNDTIMEO", MS - 5, send(pair[0], big, 8, 0));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, 50, "gleaner-eintr-%d", getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (void *)&name, sizeof name) == 0 && listen(listener, 5) == 0);
    int fd;
    LATE("accept", CONNECT, 0, &name, (fd = accept(listener, NULL, NULL)) < 0);
    close(fd);
    listen(listener, 0);
    int crowd = socket(AF_UNIX, SOCK_STREAM, 0), one_more = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(crowd, (void *)&name, sizeof name) == 0);
    LATE("connect", ACCEPT, listener, NULL, connect(one_more, (void *)&name, sizeof name));
    CHECK(close(accept(listener, NULL, NULL)) == 0);
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    ROW("accept SO_RCVTIMEO", MS - 5, accept(listener, NULL, NULL));
    free(big);
}
static void files(void) {
    char path[] = "/tmp/gleaner-eintr-XXXXXX", fifo[64];
    int a = mkstemp(path), b = open(path, O_RDWR);
    CHECK(flock(b, LOCK_EX) == 0);
    LATE("flock", UNLOCK, b, NULL, flock(a, LOCK_EX));
    struct flock whole = {.l_type = F_WRLCK};
    int c = open(path, O_RDWR);
    CHECK(fcntl(c, F_OFD_SETLK, &whole) == 0);
    LATE("fcntl F_OFD_SETLKW", SHUT, c, NULL, fcntl(b, F_OFD_SETLKW, &whole));
    unlink(path);
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    CHECK(mkfifo(fifo, 0600) == 0);
    int fd;
    LATE("open FIFO", OPEN, 0, fifo, (fd = open(fifo, O_RDONLY)) < 0);
    /* A reader left over would let the late thread open and close the FIFO before this one waits. */
    close(fd);
    FILE *stream;
    LATE("fopen FIFO", OPEN, 0, fifo, (stream = fopen(fifo, "r")) == NULL);
    fclose(stream);
    ROW("getaddrinfo", 0, ({ struct addrinfo *list = NULL; int r = getaddrinfo("localhost", "80", NULL, &list); freeaddrinfo(list); r; }));
    unlink(fifo);
}
static void spawns(void) {
    char fifo[64];
    snprintf(fifo, sizeof fifo, "/tmp/gleaner-eintr-%d.fifo", getpid());
    CHECK(mkfifo(fifo, 0600) == 0);
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, fifo, O_RDONLY, 0);
    char *argv[] = {"true", NULL};
    LATE("posix_spawn on FIFO", OPEN, 0, fifo, posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ));
    posix_spawn_file_actions_destroy(&actions);
    waitpid(pid, NULL, 0);
    unlink(fifo);
}
static void system_v(void) {
    int queue = msgget(IPC_PRIVATE, 0600), sem = semget(IPC_PRIVATE, 1, 0600);
    if (queue < 0 || sem < 0) return;
    struct { long type; char text[8]; } message = {1, "x"};
    LATE("msgrcv", MESSAGE, queue, NULL, msgrcv(queue, &message, 8, 0, 0));
    while (msgsnd(queue, &message, 8, IPC_NOWAIT) == 0) {}
    LATE("msgsnd", TAKE, queue, NULL, msgsnd(queue, &message, 8, 0));
    struct sembuf down = {0, -1, 0};
    struct sembuf up = {0, 1, 0};
    CHECK(semop(sem, &up, 1) == 0);
    ROW("semop", 0, semop(sem, &down, 1));
    mqd_t mq;
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char letter[8] = {0}, name[40];
    snprintf(name, sizeof name, "/gleaner-eintr-%d", getpid());
    if ((mq = mq_open(name, O_CREAT | O_RDWR, 0600, &attr)) >= 0) {
        mq_unlink(name);
        struct timespec t = after(CLOCK_REALTIME);
        ROW("mq_timedreceive", MS, mq_timedreceive(mq, letter, 8, NULL, &t));
        CHECK(mq_send(mq, letter, 8, 0) == 0);
        t = after(CLOCK_REALTIME);
        ROW("mq_timedsend", MS, mq_timedsend(mq, letter, 8, 0, &t));
        mq_close(mq);
    }
    ROW("semtimedop", MS, semtimedop(sem, &down, 1, &brief));
    msgctl(queue, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
}
static void children(void) {
    int status;
    pid_t pid = child();
    ROW("waitpid", MS - 60, waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -1);
    pid = child();
    siginfo_t info;
    ROW("waitid", MS - 60, waitid(P_PID, pid, &info, WEXITED));
    ROW("system", MS, WEXITSTATUS(system("sleep 0.15; exit 3")));
    FILE *f;
    char line[16];
    ROW("popen, fgets, pclose", MS,
        (f = popen("sleep 0.15; echo hello", "r")) && fgets(line, 16, f) && !strcmp(line, "hello\n") ? pclose(f) : -1);
    ROW("vfork", MS, ((pid = vfork()) == 0 ? (execlp("sleep", "sleep", "0.15", NULL), _exit(1), 0)
                                            : waitpid(pid, &status, 0) == pid ? status : -1));
}
static const struct { const char *name; void (*f)(void); } groups[] = {
    {"sleeps", sleeps}, {"polls", polls}, {"semaphores", semaphores}, {"descriptors", descriptors}, {"files", files},
    {"system_v", system_v}, {"children", children}, {"signals", signals}, {"spawns", spawns},
};
/* All groups, or the one that is named. */
int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_t t;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (argc < 2 || !strcmp(argv[1], groups[i].name)) groups[i].f();
    stop = 1;
    pthread_join(t, NULL);
    return failed;
}
