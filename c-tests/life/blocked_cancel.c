// Threads are cancelled, deferred and asynchronously, in every kind of blocked call while collections run; their clean-up allocates.
// flags: -pthread
// modes: malloc gc
// timeout: 60
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>

static volatile int stop;
static _Atomic int cleaned;
static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void *churn(void *arg) {
    char *kept[64];
    while (!stop) {
        for (int i = 0; i < 64; i++) memset(kept[i] = malloc(i & 1 ? 6000 : 1000), 0xee, 1000);
        for (int i = 0; i < 64; i += 1 + (i & 1)) free(kept[i]);
        usleep(300);
    }
    return NULL;
}
/* Runs while the unwinder passes the blocked call: the thread is running again. */
static void cleanup(void *p) {
    CHECK(intact(p, 1000, 3));
    char *copies[20];
    for (int i = 0; i < 20; i++) {
        copies[i] = malloc(1000);
        memcpy(copies[i], p, 1000);
    }
    usleep(500);
    for (int i = 0; i < 20; i++) {
        CHECK(intact(copies[i], 1000, 3));
        free(copies[i]);
    }
    free(p);
    cleaned++;
}
static void unlock(void *p) { pthread_mutex_unlock(p); }
static void block(int which) {
    struct timespec t = {10, 0}, until = {1ll << 33, 0};
    char byte;
    struct epoll_event event;
    sem_t sem;
    sem_init(&sem, 0, 0);
    int epoll = epoll_create1(0);
    switch (which % 10) {
    case 0: poll(NULL, 0, 10000); break;
    case 1: nanosleep(&t, NULL); break;
    case 2: (void)!read(ends[0], &byte, 1); break;
    case 3: pause(); break;
    case 4: epoll_wait(epoll, &event, 1, 10000); break;
    case 5: sleep(10); break;
    case 6: sem_timedwait(&sem, &until); break;
    case 7: usleep(10000000); break;
    default:
        pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
        pthread_mutex_lock(&mutex);
        pthread_cleanup_push(unlock, &mutex);
        if (which & 1) pthread_cond_wait(&cond, &mutex);
        else pthread_cond_timedwait(&cond, &mutex, &until);
        pthread_cleanup_pop(1);
    }
}
static void *work(void *arg) {
    long n = (long)arg;
    char *p = malloc(1000);
    fill(p, 1000, 3);
    pthread_cleanup_push(cleanup, p);
    if (n >= 100) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) block(n);
    pthread_cleanup_pop(1);
    return NULL;
}
int main(void) {
    enum { N = 200 };
    pthread_t t;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0 && pipe(ends) == 0);
    for (long i = 0; i < N; i += 4) {
        pthread_t threads[4];
        void *result;
        for (int k = 0; k < 4; k++) CHECK(pthread_create(&threads[k], NULL, work, (void *)(i + k)) == 0);
        usleep(i % 7 * 1000);
        for (int k = 0; k < 4; k++) CHECK(pthread_cancel(threads[k]) == 0);
        for (int k = 0; k < 4; k++) CHECK(pthread_join(threads[k], &result) == 0 && result == PTHREAD_CANCELED);
    }
    CHECK(cleaned == N);
    stop = 1;
    pthread_join(t, NULL);
}
