// malloc before any constructor of the program, in constructors, in atexit handlers and in destructors.
#include "check.h"

static char *early, *late;
static int handlers = 40;
static void before_all(int argc, char **argv, char **env) {
    early = malloc(1000);
    fill(early, 1000, 1);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **, char **) = before_all;

__attribute__((constructor)) static void constructor(void) {
    late = calloc(3, 1000);
    early = realloc(early, 100000);
}
static void handler(void) {
    CHECK(intact(early, 1000, 1));
    char *p = malloc(5000);
    CHECK(p != NULL);
    free(p);
    if (--handlers == 0) free(early);
}
__attribute__((destructor)) static void destructor(void) {
    free(late);
    for (int i = 0; i < 1000; i++) free(malloc(i));
}

int main(void) {
    CHECK(early && late && intact(early, 1000, 1));
    for (int i = 0; i < 40; i++) CHECK(atexit(handler) == 0);
}
