// A library that registers a cleanup of its own and is closed.
// flags: -shared -fPIC
#include <gleaner.h>

static void count(uintptr_t address, size_t size, uintptr_t counter) { ++*(int *)counter; }
int plug(void *p, int *counter) { return gleaner_add_cleanup(p, count, (uintptr_t)counter, 0, NULL); }
