// `gleaner top` on a terminal, which tmux makes: its keys, another size, and that the terminal is given back at the end, also by a signal.
// modes: leak
// native: no
#include "plant.h"
#include "visitor.h"

static void *kept[100000];
static int grown;
static NOINLINE void grow(void) {
    for (int i = 0; i < 3 && grown < 90000; i++) kept[grown++] = malloc(5000);
    NOTAIL;
}
static NOINLINE void settle(void) {
    static void *some[200];
    for (int i = 0; i < 200; i++) some[i] = malloc(3000);
    __asm__ volatile("" : : "r"(some) : "memory");
}
static char text[65536], tmux[200];
static int servers;

/* A command of tmux's; what it says is in `text`. */
static int on_tmux(const char *words) {
    char line[4600];
    snprintf(line, sizeof line, "%s %s", tmux, words);
    return visit_end(shell_begin(line), text, sizeof text);
}
static void screen_shows(const char *wanted) {
    for (int i = 0; i < 400; i++) {
        grow();
        if (on_tmux("capture-pane -p -t x") == 0 && strstr(text, wanted)) return;
        usleep(50000);
    }
    dprintf(2, "no \"%s\" on the screen:\n%s", wanted, text);
    on_tmux("kill-server");
    CHECK(0);
}
static void keys(const char *words, const char *wanted) {
    char line[200];
    snprintf(line, sizeof line, "send-keys -t x %s", words);
    CHECK(on_tmux(line) == 0);
    screen_shows(wanted);
}
/* A server of its own each time: one that was killed may still be there when the next would be met by its name. */
static void begin(const char *folder) {
    char line[4500];
    snprintf(tmux, sizeof tmux, "env LC_ALL=C.UTF-8 TERM=screen tmux -L gleaner-top-%d-%d", getpid(), servers++);
    snprintf(line, sizeof line,
             "-u -f /dev/null new-session -d -s x -x 110 -y 30 \"sh -c 'echo \\$\\$ > top.%d; exec %s/gleaner top -i 0.5 %d'; echo ended \\$?; "
             "stty -a | grep -c \\\" icanon\\\"; sleep 100\"",
             getpid(), folder, getpid());
    CHECK(on_tmux(line) == 0);
    screen_shows("grow, top_screen.c:");
}
/* The lines that the shell printed after it, on a terminal as it was. */
static void is_given_back(const char *how) {
    screen_shows(how);
    CHECK(!strstr(text, "objects"));
    CHECK(on_tmux("display-message -p -t x 'alternate #{alternate_on} cursor #{cursor_flag}'") == 0);
    CHECK(!strcmp(text, "alternate 0 cursor 1\n"));
    on_tmux("kill-server");
}

int main(void) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", getenv("LD_PRELOAD"));
    *strrchr(folder, '/') = 0;
    if (visit_end(shell_begin("command -v tmux"), text, sizeof text) != 0) _exit(0);
    settle();
    begin(folder);
    screen_shows("every 0.5 s, by bytes");
    screen_shows("/s");
    keys("s", "by growth");
    keys("Enter", "#0 grow, top_screen.c:");
    keys("q", " q quit  s sort");
    keys("'?'", "double or halve the interval");
    keys("q", " q quit  s sort");
    keys("p", "paused");
    keys("Down", "paused");
    CHECK(on_tmux("resize-window -t x -x 70 -y 8") == 0);
    screen_shows(" q quit  s sort  p pause");
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) CHECK(strcspn(line, "\n") < 70 * 4);
    CHECK(on_tmux("send-keys -t x q") == 0);
    is_given_back("ended 0\n1\n");

    begin(folder);
    char line[400];
    snprintf(line, sizeof line, "kill -TERM $(cat top.%d); rm top.%d", getpid(), getpid());
    CHECK(visit_end(shell_begin(line), text, sizeof text) == 0);
    is_given_back("ended 143\n1\n");
    /* The terminal goes away. */
    begin(folder);
    CHECK(on_tmux("kill-server") == 0);
    snprintf(line, sizeof line, "p=$(cat top.%d); rm top.%d; for i in $(seq 200); do kill -0 $p 2>/dev/null || exit 0; sleep 0.05; done; kill -9 $p; exit 1", getpid(), getpid());
    CHECK(visit_end(shell_begin(line), text, sizeof text) == 0);
    for (int i = 0; i < grown; i++) free(kept[i]);
    _exit(0);
}
