// Held by a message queue that is to notify: by a signal, and by a thread of libc's.
// flags: -lrt -pthread
// gleaner[gc]: min_growth=256k:collect_every=1m
#include "live.h"
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>

static volatile int rang;
static void ring(union sigval value) {
    CHECK((uintptr_t)value.sival_ptr == HIDE(hidden_) && intact(value.sival_ptr, 700, 99));
    rang = 1;
}
static NOINLINE void give(mqd_t queue, int how) {
    struct sigevent event = {.sigev_notify = how, .sigev_signo = SIGRTMIN + 3};
    event.sigev_value.sival_ptr = hold(700);
    if (how == SIGEV_THREAD) event.sigev_notify_function = ring;
    CHECK(mq_notify(queue, &event) == 0);
    /* A second one is refused, and changes nothing. */
    event.sigev_value.sival_ptr = NULL;
    CHECK(mq_notify(queue, &event) == -1 && errno == EBUSY);
    memset(&event, 0, sizeof event);
}
static NOINLINE void take(const sigset_t *set) {
    siginfo_t info;
    CHECK(sigwaitinfo(set, &info) == SIGRTMIN + 3);
    ring(info.si_value);
    memset(&info, 0, sizeof info);
}
int main(void) {
    char name[64], message[8];
    snprintf(name, sizeof name, "/gleaner-test-%d", getpid());
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 8};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    CHECK(queue >= 0 && mq_unlink(name) == 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    give(queue, SIGEV_SIGNAL);
    scrub_();
    churn();
    check_held();
    CHECK(mq_send(queue, "ring", 5, 0) == 0 && mq_receive(queue, message, 8, NULL) == 5);
    churn();
    take(&set);
    free((void *)HIDE(hidden_));
    give(queue, SIGEV_THREAD);
    scrub_();
    churn();
    check_held();
    rang = 0;
    CHECK(mq_send(queue, "ring", 5, 0) == 0);
    while (!rang) usleep(1000);
    scrub_();
}
