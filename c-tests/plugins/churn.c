// Allocates when it is loaded, frees when it is unloaded, and has dynamic thread-local storage.
#include <stdlib.h>
#include <string.h>

static char *state;
static __thread char big[3000];
__attribute__((constructor)) static void load(void) { state = calloc(100, 100); }
__attribute__((destructor)) static void unload(void) { free(state); }
int plugin_work(void) {
    char *p = malloc(5000);
    memset(p, 1, 5000);
    memcpy(big, p, sizeof big);
    int sum = big[17] + state[50] + 41;
    free(p);
    return sum;
}
