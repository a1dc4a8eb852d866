// malloc(0) gives a pointer of its own each time, which can be freed.
#include "check.h"

int main(void) {
    enum { N = 1000 };
    char *p[N];
    for (int i = 0; i < N; i++) {
        CHECK((p[i] = malloc(0)) != NULL);
        for (int j = 0; j < i; j++) CHECK(p[i] != p[j]);
    }
    for (int i = 0; i < N; i++) free(p[i]);
}
