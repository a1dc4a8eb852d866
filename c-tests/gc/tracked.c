// Collections marked by a process that shares the memory, while threads allocate, drop, free and move what is live, large blocks grow, come and
// go, children are forked and other programs executed; now and then that process is killed. Nothing live is touched, what is dropped goes,
// and the program sees no child, no signal and no descriptor.
// modes: gc
// native: no
// flags: -pthread
// gleaner: marking=tracked:collect_every=4m:cgroup=0:follow=no:stats=yes
// timeout: 120
// stderr: ...
// told: gleaner: gc: collections: * marked beside the program
// told: gleaner: gc: revived * resurrected 0
#include "check.h"
#include "descriptors.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 2, N = 40000, SECONDS = 6 };
struct node {
    struct node *next;
    unsigned check, size;
};
static struct node **table;
static volatile int over;
static sigset_t child_ended;

/* Blocked in every thread. */
static int child_signal(void) {
    struct timespec none = {0, 0};
    return sigtimedwait(&child_ended, NULL, &none) == SIGCHLD;
}
static struct node *fresh(unsigned *seed, struct node *next) {
    unsigned size = sizeof(struct node) + rand_r(seed) % (rand_r(seed) % 50 ? 400 : 30000);
    struct node *node = malloc(size);
    memset(node, size, size);
    node->next = next;
    node->size = size;
    node->check = size * 2654435761u;
    return node;
}
static void examine(struct node *node) {
    for (; node; node = node->next) {
        CHECK(node->check == node->size * 2654435761u);
        for (unsigned i = sizeof *node; i < node->size; i++)
            CHECK(((unsigned char *)node)[i] == (unsigned char)node->size);
    }
}
/* A list of up to three; or the tail of one goes to another place. */
static void change(unsigned *seed, int first, int step) {
    int at = first + step * (rand_r(seed) % (N / step)), to = first + step * (rand_r(seed) % (N / step));
    examine(table[at]);
    if (at != to && rand_r(seed) % 2 && table[at]->next && !table[to]->next) {
        struct node *tail = table[at]->next;
        table[at]->next = NULL;
        table[to]->next = tail;
        return;
    }
    struct node *old = table[at];
    table[at] = fresh(seed, rand_r(seed) % 3 ? fresh(seed, NULL) : NULL);
    if (rand_r(seed) % 2) {
        if (old->next) free(old->next);
        free(old);
    }
}
static void *serve(void *number) {
    unsigned seed = 7 + (unsigned)(long)number;
    while (!over) change(&seed, (int)(long)number, THREADS + 1);
    return NULL;
}
static void *brief(void *number) {
    unsigned seed = 99 + (unsigned)(long)number;
    for (int i = 0; i < 500; i++) free(fresh(&seed, NULL));
    return fresh(&seed, NULL);
}
/* Others that run this program and are none of our children: how many, and killed if that is wanted. */
static int others(int kill_them) {
    char own[256] = "", other[256], path[64];
    int count = 0;
    CHECK(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    DIR *d = opendir("/proc");
    for (struct dirent *e; (e = readdir(d));) {
        int pid = atoi(e->d_name), parent = 0;
        memset(other, 0, sizeof other);
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        if (pid <= 0 || pid == getpid() || pid == getppid() || readlink(path, other, sizeof other - 1) <= 0 || strcmp(own, other)) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent != getpid()) {
            count++;
            if (kill_them) kill(pid, SIGKILL);
        }
        fclose(f);
    }
    closedir(d);
    return count;
}
static void fork_one(int how) {
    pid_t pid = how == 2 ? vfork() : fork();
    if (pid == 0) {
        if (how == 0) {
            unsigned seed = 5;
            for (int i = 0; i < 3000; i++) change(&seed, 0, THREADS + 1);
            _exit(0);
        }
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(child_signal());
}

int main(int argc, char **argv) {
    if (argc > 1) {
        /* The process beside the one that was executed from ends by itself. */
        for (int i = 0; others(0) > 0; i++) {
            CHECK(i < 500);
            usleep(10000);
        }
        return 0;
    }
    unsigned seed = 1;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_ended, NULL);
    table = calloc(N, sizeof *table);
    for (int i = 0; i < N; i++) table[i] = fresh(&seed, NULL);
    int before = descriptors();
    pthread_t serving[THREADS], one;
    for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&serving[i], NULL, serve, (void *)(i + 1)) == 0);
    struct node **large = malloc(300000 * sizeof *large);
    size_t places = 300000;
    time_t end = time(NULL) + SECONDS;
    for (int round = 0; time(NULL) < end; round++) {
        for (int i = 0; i < 3000; i++) change(&seed, 0, THREADS + 1);
        /* Only a large block that grows and moves knows the list. */
        large[places - 1] = fresh(&seed, NULL);
        size_t more = places * 3 / 2 > 6000000 ? 300000 : places * 3 / 2;
        struct node *last = large[places - 1];
        if (more < places) large[more - 1] = last;
        last = NULL;
        large = realloc(large, more * sizeof *large);
        if (more > places) large[more - 1] = large[places - 1];
        places = more;
        examine(large[places - 1]);
        if (round % 4 == 3) fork_one(round / 4 % 3);
        void *result;
        CHECK(pthread_create(&one, NULL, brief, (void *)(long)round) == 0);
        CHECK(pthread_join(one, &result) == 0);
        examine(result);
        void *huge = malloc(80 << 20);
        memset(huge, round, 1 << 20);
        free(huge);
        if (round % 16 == 15) others(1);
        CHECK(descriptors() == before);
    }
    over = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(serving[i], NULL);
    for (int i = 0; i < N; i++) examine(table[i]);
    CHECK(!child_signal());
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    /* Ours would wait for our next allocation. */
    while (others(1) > 0) usleep(1000);
    if (fork() == 0) {
        /* With a collection that is not over. */
        for (int i = 0; i < 30000; i++) change(&seed, 0, THREADS + 1);
        execl("/proc/self/exe", argv[0], "again", NULL);
        _exit(1);
    }
    int status;
    while (wait(&status) == -1) CHECK(errno == EINTR);
    CHECK(status == 0);
    return 0;
}
