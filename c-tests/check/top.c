// `gleaner top` as lines: the largest places, how they grow from check to check, what is lost; its errors.
// modes: leak
// native: no
#include "plant.h"
#include "visitor.h"

static void *kept[2][100000];
static int grown;
static uintptr_t hidden[10];
static NOINLINE void grow(int n) {
    for (int i = 0; i < n; i++) kept[0][grown++] = malloc(5000);
    NOTAIL;
}
static NOINLINE void settle(void) {
    for (int i = 0; i < 500; i++) kept[1][i] = malloc(3000);
    NOTAIL;
}
static NOINLINE void lose(void) {
    for (int i = 0; i < 10; i++) hidden[i] = ~(uintptr_t)memset(malloc(700), 1, 700);
    NOTAIL;
}
static int goes_on(pid_t pid) {
    siginfo_t info = {0};
    return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}
/* The table's line on a place, in the block of that check. */
static const char *line_of(const char *text, int check, const char *place) {
    static char line[300];
    char head[20];
    snprintf(head, sizeof head, "  check %d  ", check);
    const char *block = strstr(text, head);
    CHECK(block);
    const char *end = strstr(block, "\n\n"), *at = strstr(block, place);
    CHECK(end && at && at < end);
    while (at[-1] != '\n') at--;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}
static void shows(const char *line, const char *wanted) {
    if (!strstr(line, wanted)) dprintf(2, "not \"%s\": %s\n", wanted, line);
    CHECK(strstr(line, wanted));
}

int main(void) {
    static char text[65536];
    settle();
    grow(20);
    lose();
    scrub();
    CHECK(visit_do("top --once", getpid(), text, sizeof text) == 0);
    shows(line_of(text, 1, "settle, top.c:"), "1.4M       500          ·          ·");
    shows(line_of(text, 1, "grow, top.c:"), "97.7K        20          ·          ·");
    shows(line_of(text, 1, "lose, top.c:"), "0         0          ·          ·     6.8K  ");
    CHECK(strstr(text, "settle,") < strstr(text, "grow,"));

    /* It goes on meanwhile: 1,000 objects a second, or as many as a busy machine lets it make. */
    struct visit watch = visit_of("top -n 4 -i 0.3 --sort growth --sites 2", getpid());
    for (int i = 0; i < 400 && grown < 90000 && goes_on(watch.pid); i++) {
        grow(10);
        usleep(10000);
    }
    CHECK(visit_end(watch, text, sizeof text) == 0);
    shows(line_of(text, 4, "grow, top.c:"), "/s");
    shows(line_of(text, 4, "grow, top.c:"), "+");
    const char *last = strstr(text, "  check 4  ");
    CHECK(strstr(last, "grow,") < strstr(last, "settle,") && !strstr(last, "lose,") && !strstr(last, "check 5"));

    CHECK(visit_do("top --once", getppid(), text, sizeof text) == 1 && strstr(text, " runs without libgleaner.so"));
    CHECK(visit_do("top --once -i 0", getpid(), text, sizeof text) == 2);
    CHECK(visit_do("top --once", 0x3fffffff, text, sizeof text) == 1);
    shows(text, "gleaner: there is no process 1073741823");
    for (int i = 0; i < grown; i++) free(kept[0][i]);
    for (int i = 0; i < 10; i++) free((void *)~hidden[i]);
    _exit(0);
}
