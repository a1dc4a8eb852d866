// The program closes its standard streams when it ends, as those of GNU's coreutils do: what is lost is told still.
// modes: leak
#include "ends.h"

static void close_streams(void) {
    fclose(stdout);
    fclose(stderr);
}
int main(int argc, char **argv) {
    if (argc > 1) {
        atexit(close_streams);
        lose();
        scrub();
        if (!strcmp(argv[1], "exit")) exit(0);
        return 0;
    }
    int ours = getenv("GLEANER") != NULL;
    const char *ends[] = {"exit", "return"};
    for (int i = 0; i < 2; i++) {
        int status = run_again(ends[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (ours ? 23 : 0));
        CHECK(!ours || (count(REPORT) == 1 && count("Direct leak of 100 byte(s) in 1 object(s)") == 1));
    }
}
