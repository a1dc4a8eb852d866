// Keeps a pointer in its data and one in its thread-local storage.
static void *volatile data;
static __thread void *volatile local[1000];
void plugin_hold(void *p) { data = p; }
void plugin_hold_tls(void *p) { local[500] = p; }
