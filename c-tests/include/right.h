/* Threads that allocate in every way, of all sizes, and write each byte that is theirs. */
#include "check.h"
#include <pthread.h>

enum { LIVE = 16, SIZE_MOST = 300000, TURNS = 8000 };
static void *use_them(void *seed) {
    unsigned r = (unsigned)(size_t)seed * 77 + 1;
    char *p[LIVE] = {0};
    for (int i = 0; i < TURNS; i++) {
        r = r * 1103515245 + 12345;
        int k = (r >> 16) % LIVE;
        size_t n = 1 + (r >> 8) % (i % 4 ? 2000 : SIZE_MOST);
        switch ((r >> 4) % 5) {
        case 0: free(p[k]), p[k] = malloc(n); break;
        case 1:
            free(p[k]);
            p[k] = calloc(1, n);
            for (size_t at = 0; at < n; at++) CHECK(p[k][at] == 0);
            break;
        case 2: p[k] = realloc(p[k], n); break;
        case 3: free(p[k]), p[k] = aligned_alloc(64, n); break;
        default: free(p[k]), p[k] = NULL;
        }
        if (p[k]) memset(p[k], 1 + i % 100, n);
    }
    for (int i = 0; i < LIVE; i++) free(p[i]);
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, use_them, (void *)i) == 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}
