// Several markers at once: what is reachable stays, what is dropped goes, whichever of them meets it first, and the program sees no thread of
// theirs. The simple second marker agrees each time.
// modes: gc
// native: no
// flags: -pthread
// gleaner: markers=4:marking=stopped:min_growth=1m:cgroup=0:checkmark=yes:trace=/tmp/gleaner-markers-%p
// timeout: 90
#include "check.h"
#include <dirent.h>
#include <gleaner.h>
#include <pthread.h>

enum { THREADS = 2, N = 200000, WAYS = 4, SECONDS = 4 };
/* Wide: each leads anywhere, so that thousands of spans wait at a time. */
struct node {
    struct node *ways[WAYS];
    unsigned check, size;
};
static struct node **table;
static volatile int over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct node *fresh(unsigned *seed) {
    unsigned size = sizeof(struct node) + rand_r(seed) % 400;
    struct node *node = malloc(size);
    memset(node, size, size);
    for (int i = 0; i < WAYS; i++) node->ways[i] = NULL;
    node->size = size;
    node->check = size * 2654435761u;
    return node;
}
static void examine(struct node *node) {
    CHECK(node->check == node->size * 2654435761u);
    for (unsigned i = sizeof *node; i < node->size; i++) CHECK(((unsigned char *)node)[i] == (unsigned char)node->size);
}
/* Only the first of the table's eighth is led to by the table itself: the others by ways. Who is left without one is garbage. */
static struct node *walk(unsigned *seed) {
    struct node *at = table[rand_r(seed) % (N / 8)];
    for (int steps = rand_r(seed) % 20; at && steps > 0; steps--) {
        struct node *next = at->ways[rand_r(seed) % WAYS];
        if (next) at = next;
    }
    return at;
}
static void *change(void *unused) {
    unsigned seed = (unsigned)(size_t)&unused;
    while (!over) {
        pthread_mutex_lock(&lock);
        for (int i = 0; i < 200; i++) {
            struct node *at = walk(&seed), *to = rand_r(&seed) % 3 ? walk(&seed) : fresh(&seed);
            examine(at);
            examine(to);
            at->ways[rand_r(&seed) % WAYS] = to;
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static int threads(void) {
    int count = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(d));) count += entry->d_name[0] != '.';
    closedir(d);
    return count;
}
/* Whether some collection in the trace was marked by four. */
static int four_marked(void) {
    char path[64], line[4096];
    int four = 0;
    snprintf(path, sizeof path, "/tmp/gleaner-markers-%d", getpid());
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f)) four += strstr(line, "\"markers\":4") != NULL;
    fclose(f);
    unlink(path);
    return four;
}

int main(void) {
    unsigned seed = 1;
    table = calloc(N / 8, sizeof *table);
    struct node **all = calloc(N, sizeof *all);
    for (int i = 0; i < N; i++) all[i] = fresh(&seed);
    for (int i = 0; i < N / 8; i++) table[i] = all[i];
    /* Each of the others is led to by one before it, at least. */
    for (int i = N / 8; i < N; i++) all[rand_r(&seed) % (i / 2)]->ways[rand_r(&seed) % WAYS] = all[i];
    free(all);
    pthread_t changing[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&changing[i], NULL, change, NULL) == 0);
    time_t end = time(NULL) + SECONDS;
    while (time(NULL) < end) {
        CHECK(gleaner_collect() == 0);
        CHECK(threads() == 1 + THREADS);
    }
    over = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(changing[i], NULL);
    for (int i = 0; i < N / 8; i++) examine(table[i]);
    CHECK(four_marked() > 0);
    return 0;
}
