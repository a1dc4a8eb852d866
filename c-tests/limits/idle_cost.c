// A program that does next to nothing stays small: less than 4 MB resident beyond what it has natively (about 1.5 MB).
// stdout: small
#include "check.h"

int main(void) {
    free(malloc(100));
    long rss = status_kib("VmHWM");
    if (rss < 6000)
        puts("small");
    else
        printf("%ld KiB\n", rss);
}
