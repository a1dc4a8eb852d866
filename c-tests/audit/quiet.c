// Nothing is said of a program that hides nothing, and its status is its own; nor of one that never was collected.
// modes: audit
// native: no
// args: 7
// status: 7
#include <stdlib.h>
int main(int argc, char **argv) {
    for (int i = 0; i < 200000; i++)
        free(malloc(i % 5000));
    return atoi(argv[argc - 1]);
}
