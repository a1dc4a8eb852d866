// Keeps a pointer in its data and one in its thread-local storage.
static void *data;
static __thread void *local[1000];
void plugin_hold(void *p) { data = p; }
void plugin_hold_tls(void *p) { local[500] = p; }
