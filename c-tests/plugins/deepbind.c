// A plugin that calls whichever malloc its own dependencies come first with.
#include <stdlib.h>

void *plugin_malloc(size_t size) { return malloc(size); }
void plugin_free(void *p) { free(p); }
