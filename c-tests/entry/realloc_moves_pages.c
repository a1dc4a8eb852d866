// A large block that grows again and again moves its pages instead of copying them, at each step.
// stdout: 30 rounds: few page faults
#include "check.h"
#include <sys/resource.h>

static long faults(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_minflt;
}
int main(void) {
    long before = 0;
    for (int round = 0; round < 31; round++) {
        // What the first round maps is there afterwards.
        if (round == 1) before = faults();
        char *p = NULL;
        size_t old = 0;
        for (size_t n = 1000; n <= (64u << 20); n += n / (1 + round % 3) + round) {
            p = OPAQUE(realloc(p, n));
            CHECK(p != NULL && (old == 0 || (p[0] == 1 && p[old - 1] == (char)old)));
            p[0] = 1;
            p[n - 1] = (char)n;
            old = n;
        }
        free(p);
    }
    // A copy would touch 30,000 pages a round.
    long count = faults() - before;
    if (count < 60000) puts("30 rounds: few page faults");
    else printf("30 rounds: %ld page faults\n", count);
    return 0;
}
