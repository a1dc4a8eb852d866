// Sessions that only the kernel knows: epoll_event.data.ptr is the one pointer to each. A pin keeps them while a collector looks elsewhere.
// stdout: 200 sessions answered
#include <gleaner.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SESSIONS = 200 };

struct session {
    int input, number;
    char greeting[100];
};

/* The session belongs to the kernel's table from here on, and to nobody else. */
static int begin(int epoll, int number) {
    int ends[2];
    struct session *s = calloc(1, sizeof *s);
    if (!s || pipe(ends) != 0) return -1;
    s->input = ends[0];
    s->number = number;
    snprintf(s->greeting, sizeof s->greeting, "session %d", number);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->input, &event) != 0) return -1;
    gleaner_pin(s);
    return ends[1];
}

static int answer(struct session *s) {
    char line[100], wanted[100];
    ssize_t n = read(s->input, line, sizeof line);
    snprintf(wanted, sizeof wanted, "session %d", s->number);
    int right = n == 1 && line[0] == 'x' && strcmp(s->greeting, wanted) == 0;
    close(s->input);
    gleaner_unpin(s);
    free(s);
    return right;
}

int main(void) {
    int epoll = epoll_create1(0), outputs[SESSIONS], answered = 0;
    for (int i = 0; i < SESSIONS; i++)
        if ((outputs[i] = begin(epoll, i)) < 0) return 1;
    /* A busy program: memory comes and goes, and collections. */
    for (int i = 0; i < 2000; i++) free(memset(malloc(1000), i, 1000));
    for (int i = 0; i < 3; i++) gleaner_collect();
    for (int i = 0; i < SESSIONS; i++) {
        if (write(outputs[i], "x", 1) != 1) return 1;
        close(outputs[i]);
    }
    while (answered < SESSIONS) {
        struct epoll_event events[16];
        int n = epoll_wait(epoll, events, 16, 5000);
        if (n <= 0) return 1;
        for (int i = 0; i < n; i++) answered += answer(events[i].data.ptr);
    }
    printf("%d sessions answered\n", answered);
    return 0;
}
