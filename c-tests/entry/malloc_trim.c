// malloc_trim(0) after 64 MB were freed gives the memory back, and says 1 or 0.
#include "check.h"
#include <malloc.h>

int main(void) {
    enum { N = 16384 };
    static char *p[N];
    for (int i = 0; i < N; i++) {
        CHECK((p[i] = malloc(4000)) != NULL);
        memset(p[i], 1, 4000);
    }
    CHECK(status_kib("VmRSS") > 60000);
    for (int i = 0; i < N; i++) free(p[i]);
    int said = malloc_trim(0);
    CHECK(said == 0 || said == 1);
    CHECK(status_kib("VmRSS") < 25000);
}
