// malloc_usable_size is at least the size asked for, 0 for NULL, and the whole of it may be written.
#include "check.h"
#include <malloc.h>

int main(void) {
    enum { N = 800 };
    static char *p[N];
    CHECK(malloc_usable_size(NULL) == 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            size_t size = (size_t)i * i / 3;
            CHECK((p[i] = malloc(size)) != NULL);
            CHECK(malloc_usable_size(p[i]) >= size);
            fill(p[i], malloc_usable_size(p[i]), i);
        }
        for (int i = 0; i < N; i++) CHECK(intact(p[i], malloc_usable_size(p[i]), i));
        for (int i = 0; i < N; i++) {
            size_t usable = malloc_usable_size(p[i]);
            CHECK((p[i] = realloc(p[i], usable ? usable : 1)) != NULL);
            CHECK(intact(p[i], usable, i));
            free(p[i]);
        }
    }
}
