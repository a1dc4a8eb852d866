// Large blocks that go and come: each has its own bytes to itself, whatever a handler, another thread or a
// child takes and frees in between; and malloc_trim gives back what threads have at hand.
// stdout: the blocks were whole; the child's too; little is left
// timeout: 60
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static size_t size_of(unsigned *seed) { return (size_t)64 * 1024 << rand_r(seed) % 8 | rand_r(seed) % 5000; }
static void paint(unsigned char *p, size_t n, unsigned char c) { for (size_t i = 0; i < n; i += 1021) p[i] = c; p[n - 1] = c; }
static int whole(unsigned char *p, size_t n, unsigned char c) {
    for (size_t i = 0; i < n; i += 1021) if (p[i] != c) return 0;
    return p[n - 1] == c;
}
static void turns(unsigned seed, int count) {
    unsigned char *p[3] = {0};
    size_t n[3];
    for (int i = 0; i < count; i++) {
        int k = rand_r(&seed) % 3;
        CHECK(!p[k] || whole(p[k], n[k], 1 + k));
        free(p[k]);
        n[k] = size_of(&seed);
        int cleared = rand_r(&seed) % 4 == 0;
        p[k] = cleared ? calloc(1, n[k]) : malloc(n[k]);
        if (cleared) CHECK(whole(p[k], n[k], 0));
        paint(p[k], n[k], 1 + k);
        if (rand_r(&seed) % 5 == 0) p[k] = realloc(p[k], n[k] = size_of(&seed)), paint(p[k], n[k], 1 + k);
    }
    for (int k = 0; k < 3; k++) free(p[k]);
}
static void handler(int number) {
    static unsigned seed;
    for (int i = 0; i < 3; i++) {
        size_t n = (seed++ % 4 + 1) << 17;
        unsigned char *p = malloc(n);
        paint(p, n, 99);
        CHECK(whole(p, n, 99));
        free(p);
    }
    (void)number;
}
static void *thread(void *arg) { turns((unsigned)(size_t)arg, 600); return NULL; }
static long resident(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * 4;
}
int main(void) {
    long before = resident();
    // Natively a handler must not allocate, and trimming leaves other threads' arenas alone.
    int ours = getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "gleaner");
    if (ours) {
        signal(SIGALRM, handler);
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 5000}, {0, 5000}}, NULL);
    }
    pthread_t t[3];
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, thread, (void *)(size_t)(i + 1));
    turns(77, 300);
    // libc holds its own malloc's locks meanwhile, to which a handler in our midst is sent.
    sigset_t alarm, old;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &old);
    pid_t child = fork();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!child) turns(78, 200), _exit(0);
    int status;
    while (waitpid(child, &status, 0) < 0) {}
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    turns(79, 300);
    malloc_trim(0);
    printf("the blocks were whole; the child's%s; %s\n", status ? " not" : " too", !ours || resident() - before < 16 << 10 ? "little is left" : "much is left");
    return 0;
}
