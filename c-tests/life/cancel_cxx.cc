// Threads cancelled in blocking calls while collections run: every frame above is unwound, with its
// destructors and its catch (...).
// gleaner[gc]: collect_every=64k
// timeout: 60
// stdout: 530 destroyed, 530 cancelled
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int destroyed, ready, fds[2];
static volatile bool stop;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

struct Frame {
    ~Frame() { __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST); }
};
static void begin() { __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST); }
struct Unlock {
    ~Unlock() { pthread_mutex_unlock(&mutex); }
};

static void *in_read(void *) {
    Frame frame;
    begin();
    char c;
    return (void *)(long)read(fds[0], &c, 1);
}
static void *in_poll(void *) {
    Frame frame;
    begin();
    return (void *)(long)poll(nullptr, 0, -1);
}
static void *in_nanosleep(void *) {
    Frame frame;
    begin();
    timespec time = {100, 0};
    return (void *)(long)nanosleep(&time, nullptr);
}
static void *in_wait(void *) {
    Frame frame;
    pthread_mutex_lock(&mutex);
    Unlock unlock;
    begin();
    for (;;)
        pthread_cond_wait(&condition, &mutex);
}
static void *caught(void *) {
    begin();
    char c;
    try {
        read(fds[0], &c, 1);
    } catch (...) {
        Frame frame;
        throw;
    }
    return nullptr;
}
static void *churn(void *) {
    while (!stop) {
        void *blocks[200];
        for (auto &block : blocks)
            block = malloc(500);
        for (auto &block : blocks)
            free(block);
    }
    return nullptr;
}

int main() {
    CHECK(pipe(fds) == 0);
    pthread_t churner;
    CHECK(pthread_create(&churner, nullptr, churn, nullptr) == 0);
    void *(*const all[])(void *) = {in_read, in_poll, in_nanosleep, in_wait, caught};
    int cancelled = 0;
    for (int round = 0; round < 106; round++)
        for (auto body : all) {
            pthread_t thread;
            void *result;
            const int begun = __atomic_load_n(&ready, __ATOMIC_SEQ_CST);
            CHECK(pthread_create(&thread, nullptr, body, nullptr) == 0);
            // Its frame is there; now it goes to sleep, or is about to.
            while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) == begun)
                sched_yield();
            usleep(round * 10);
            CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
            cancelled += result == PTHREAD_CANCELED;
        }
    stop = true;
    pthread_join(churner, nullptr);
    printf("%d destroyed, %d cancelled\n", destroyed, cancelled);
}
