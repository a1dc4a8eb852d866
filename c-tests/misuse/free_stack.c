// free of a local variable ends the program with one line, ours or glibc's.
// status: SIGABRT
// stderr: *invalid*
// native: no
#include "check.h"

int main(void) {
    int local[100] = {0};
    free(OPAQUE((void *)(local + 4)));
    dprintf(2, "still alive\n");
}
