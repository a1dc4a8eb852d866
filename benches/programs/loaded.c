// Threads that allocate beside much live memory: `loaded MEGABYTES THREADS SECONDS`. A table of records, each a node of 64
// bytes and a body of 960; the threads replace random ones, forget the old ones, and look at others.
#include "collector.h"

enum { NODE = 63, BODY = 959 };
struct node { struct node *next; uint64_t *body, id; };
static struct node **table;
static size_t records;
static double until;
static _Atomic long replaced;

static struct node *record(uint64_t id, struct node *next) {
    struct node *n = new_object(NODE);
    n->body = new_object(BODY);
    n->id = n->body[7] = id;
    n->next = next;
    return n;
}
static void *serve(void *arg) {
    uint64_t r = (uintptr_t)arg * 7919 + 1;
    while (now_us() < until) {
        for (int i = 0; i < 100; i++) {
            struct node **place = &table[next_random(&r) % records];
            struct node *n = record(next_random(&r), NULL);
            __atomic_store_n(place, n, __ATOMIC_RELEASE);
            for (int k = 0; k < 10; k++) {
                n = __atomic_load_n(&table[next_random(&r) % records], __ATOMIC_ACQUIRE);
                if (n->body[7] != n->id) abort();
            }
        }
        replaced += 100;
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: loaded MEGABYTES THREADS SECONDS\n"), 2;
    int threads = atoi(argv[2]);
    collector_begin();
    building(1);
    records = (strtoul(argv[1], NULL, 10) << 20) / (NODE + BODY + 2);
    table = new_object(records * sizeof *table);
    for (size_t i = 0; i < records; i++) table[i] = record(i, NULL);
    building(0);
    until = now_us() + atof(argv[3]) * 1e6;
    pthread_t t[64];
    for (long i = 0; i < threads && i < 64; i++)
        if (pthread_create(&t[i], NULL, serve, (void *)i)) return 1;
    for (int i = 0; i < threads && i < 64; i++) pthread_join(t[i], NULL);
    printf("replaced %ld\n", replaced);
}
