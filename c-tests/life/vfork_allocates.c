// A child of vfork allocates, which it must not, while another thread collects: parent and child keep their heap.
// flags: -pthread
// modes: malloc gc
// timeout: 60
// gleaner: collect_every=256k:limbo=1
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

static char *none[] = {NULL};
static volatile int stop;
static void *churn(void *arg) {
    char *kept[64];
    while (!stop) {
        for (int i = 0; i < 64; i++) memset(kept[i] = malloc(i & 1 ? 6000 : 700), 0xee, 700);
        for (int i = 0; i < 64; i += 1 + (i & 1)) free(kept[i]);
        usleep(300);
    }
    return NULL;
}
int main(void) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, churn, NULL) == 0);
    static char *kept[40];
    for (int i = 0; i < 40; i++) {
        int status;
        fill(kept[i] = malloc(700), 700, i);
        pid_t pid = vfork();
        if (pid == 0) {
            for (int k = 0; k < 300; k++) free(malloc(k * 10));
            char *p = malloc(700);
            for (int k = 0; k <= i; k++) CHECK(intact(kept[k], 700, k) && p != kept[k]);
            memset(p, 0xdd, 700);
            usleep(1000);
            free(p);
            execle("/bin/true", "true", (char *)NULL, none);
            _exit(9);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        for (int k = 0; k < 100; k++) free(malloc(k * 10));
    }
    stop = 1;
    pthread_join(t, NULL);
    for (int k = 0; k < 40; k++) {
        CHECK(intact(kept[k], 700, k));
        free(kept[k]);
    }
}
