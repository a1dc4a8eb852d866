// A visitor that is killed leaves nothing behind, and the next one is answered.
// modes: leak
// native: no
#include "visitor.h"
#include "descriptors.h"

int main(void) {
    static char text[65536];
    static void *keep[20000];
    for (int i = 0; i < 20000; i++) keep[i] = malloc(500);
    int before = descriptors();
    for (int i = 0; i < 25; i++) {
        struct visit one = visit_begin(getpid(), "");
        usleep(i * 1500);
        kill(one.pid, SIGKILL);
        visit_end(one, text, sizeof text);
    }
    CHECK(visit(getpid(), "", text, sizeof text) == 0 && strstr(text, "no leaks in "));
    CHECK(descriptors() == before);
    for (int i = 0; i < 20000; i++) free(keep[i]);
}
