/* bdwgc's collections in a program that knows nothing of it, for comparisons: Debian's libgc.so.1 collects every 256 KiB
 * of malloc. The memory itself is libc's: what is looked at is how the threads are stopped, and what they notice. */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

extern void GC_init(void), GC_gcollect(void), GC_set_handle_fork(int);
extern int GC_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern void *__libc_malloc(size_t);

static int begun;
static size_t since;
void *malloc(size_t size) {
    if (begun && __atomic_add_fetch(&since, size, __ATOMIC_RELAXED) > 256 << 10) {
        __atomic_store_n(&since, 0, __ATOMIC_RELAXED);
        GC_gcollect();
    }
    return __libc_malloc(size);
}

/* libgc's own calls come here too. */
int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*f)(void *), void *arg) {
    static __thread int inside;
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real) real = dlsym(RTLD_NEXT, "pthread_create");
    if (inside || !begun) return real(t, attr, f, arg);
    inside = 1;
    int status = GC_pthread_create(t, attr, f, arg);
    inside = 0;
    return status;
}
__attribute__((constructor)) static void begin(void) {
    GC_set_handle_fork(1);
    GC_init();
    begun = 1;
}
