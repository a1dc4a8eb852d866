// What a copy found in a large heap comes to limbo in many short stops: meanwhile the program allocates, drops and frees, and forks children
// that go on by themselves. Nothing live is touched, what is dropped goes, in the parent and in its children.
// modes: gc
// native: no
// flags: -pthread
// gleaner: marking=snapshot:collect_every=16m:cgroup=0:trace=/tmp/gleaner-parts-%p
// timeout: 120
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 2, N = 400000, SECONDS = 8 };
struct node {
    unsigned check, size;
};
static struct node **table;
static volatile int over;

static struct node *fresh(unsigned *seed) {
    unsigned size = sizeof(struct node) + rand_r(seed) % 600;
    struct node *node = malloc(size);
    memset(node, size, size);
    node->size = size;
    node->check = size * 2654435761u;
    return node;
}
static void examine(struct node *node) {
    CHECK(node->check == node->size * 2654435761u);
    for (unsigned i = sizeof *node; i < node->size; i++) CHECK(((unsigned char *)node)[i] == (unsigned char)node->size);
}
/* Half of what goes is freed, the other half forgotten. */
static void replace(unsigned *seed, int first, int step) {
    int at = first + step * (rand_r(seed) % (N / step));
    struct node *old = table[at];
    examine(old);
    table[at] = fresh(seed);
    if (rand_r(seed) % 2) free(old);
}
static void *serve(void *number) {
    unsigned seed = 7 + (unsigned)(long)number;
    while (!over) replace(&seed, (int)(long)number, THREADS + 1);
    return NULL;
}
static long resident(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages / 256;
}
/* How many stops the collection had that had most of them: those for limbo are written before it is over. */
static int most_stops(void) {
    char path[64], line[4096];
    int stops = 0, most = 0;
    snprintf(path, sizeof path, "/tmp/gleaner-parts-%d", getpid());
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f)) {
        if (strstr(line, "\"name\":\"collection\"")) stops = 0;
        if (strstr(line, "\"name\":\"stopped\"")) most = ++stops > most ? stops : most;
    }
    fclose(f);
    unlink(path);
    return most;
}
static int child(unsigned seed) {
    char path[64];
    for (int i = 0; i < 60000; i++) replace(&seed, 0, 1);
    for (int i = 0; i < N; i += 16) examine(table[i]);
    snprintf(path, sizeof path, "/tmp/gleaner-parts-%d", getpid());
    unlink(path);
    return 0;
}

int main(void) {
    unsigned seed = 1;
    table = calloc(N, sizeof *table);
    for (int i = 0; i < N; i++) table[i] = fresh(&seed);
    pthread_t serving[THREADS];
    for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&serving[i], NULL, serve, (void *)(i + 1)) == 0);
    time_t end = time(NULL) + SECONDS;
    for (int forks = 0; time(NULL) < end; forks++) {
        for (int i = 0; i < 20000; i++) replace(&seed, 0, THREADS + 1);
        pid_t pid = forks % 4 ? 0 : fork();
        if (forks % 4 == 0 && pid == 0) {
            /* The others are gone: all of the table is this thread's. */
            _exit(child(seed));
        }
        int status;
        if (pid) CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    over = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(serving[i], NULL);
    for (int i = 0; i < N; i++) examine(table[i]);
    /* 120 MB are live. */
    CHECK(resident() < 600);
    /* How many depends on the machine; a zeal build stops for each slab. */
    CHECK(most_stops() > 1);
    return 0;
}
