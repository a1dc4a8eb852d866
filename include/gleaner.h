/* gleaner.h: what a program may ask of libgleaner.so, if it runs under it.
 *
 * For C11 and C++17. Needs nothing at link time (where libc is older than 2.34: -ldl). Every function is looked up when
 * it is first called, so a program compiled with this header runs the same without the library: each
 * call then does nothing, and returns what is said beside it, GLEANER_ABSENT for most.
 *
 * Answers of functions that return int:
 *   0          done
 *   below 0    nothing was done, and nothing is wrong: the GLEANER_ constants
 *   above 0    an error number; errno itself is never changed
 *
 * Every function may be called by any thread at any time outside of signal handlers; those that may be called in
 * handlers say so. gleaner(7) and the manual pages of section 3 tell more.
 *
 * Names that begin with gleaner_ or GLEANER_ are reserved.
 */
#ifndef GLEANER_H
#define GLEANER_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Neither casts of C's nor a macro for null, which C++ compilers warn of. */
#if defined __cplusplus && __cplusplus >= 201103L
#define GLEANER_NULL_ nullptr
#else
#define GLEANER_NULL_ NULL
#endif
#ifdef __cplusplus
#define GLEANER_CAST_(type, value) (reinterpret_cast<type>(value))
extern "C" {
#else
#define GLEANER_CAST_(type, value) ((type)(value))
#endif

/* Changes only when programs compiled with an older header would be misunderstood. */
#define GLEANER_API_VERSION 1u

/* The program does not run under libgleaner.so, or under one that does not know this call. */
#define GLEANER_ABSENT (-1)
/* The address belongs to no object of the library's. */
#define GLEANER_NOT_OURS (-2)
/* gleaner_check_leaks: there are leaks, and they were reported. */
#define GLEANER_LEAKS (-3)
/* gleaner_cancel, gleaner_disown: the cleanup is due, or being called. */
#define GLEANER_QUEUED (-4)
/* gleaner_cancel, gleaner_disown, gleaner_weak_drop: it is over, or never was. */
#define GLEANER_DONE (-5)

/* Flag of registrations: a child of fork does not inherit it. */
#define GLEANER_THIS_PROCESS 1u

/* A function to be called when memory is dead. The memory is given as integers: it may be gone already,
 * or belong to somebody else. */
typedef void (*gleaner_cleanup_function)(uintptr_t address, size_t size, uintptr_t argument);

/* What gleaner_stats fills. It only grows at its end. */
struct gleaner_figures {
    uint64_t live_bytes, mapped_bytes;
    /* Complete collections, and those given up. */
    uint64_t collections, abandoned;
    /* As the last complete collection found them. */
    uint64_t reachable_objects, reachable_bytes, limbo_objects, limbo_bytes;
    uint64_t reclaimed_objects, reclaimed_bytes;
    /* Objects that the program used after no pointer led to them. */
    uint64_t resurrected;
    uint64_t longest_pause_ns;
    /* Cleanups: registered and not due; due and not called; called. */
    uint64_t cleanups_promised, cleanups_due, cleanups_run;
};

/* Many pins that end together. One word, to be opened before use; may lie on the stack. */
struct gleaner_scope {
    uint64_t word;
};

/* The functions. Programs call the wrappers below. A library may have fewer of them than this header
 * (`size` tells, in bytes), or more. */
struct gleaner_functions {
    unsigned version, size;
    int (*collect)(void);
    int (*check_leaks)(void);
    int (*stats)(struct gleaner_figures *to, size_t size);
    size_t (*run_cleanups)(void);
    int (*cleanup_thread)(void);
    int (*pin)(const void *);
    int (*unpin)(const void *);
    int (*pin_range)(const void *, size_t);
    int (*unpin_range)(const void *, size_t);
    void *(*alloc_pinned)(size_t);
    int (*scope_open)(struct gleaner_scope *);
    int (*scope_pin)(struct gleaner_scope *, const void *);
    int (*scope_pin_range)(struct gleaner_scope *, const void *, size_t);
    int (*scope_close)(struct gleaner_scope *);
    int (*report_pins)(int fd);
    int (*ignore_object)(const void *);
    int (*register_root)(const void *, size_t);
    int (*unregister_root)(const void *, size_t);
    int (*add_cleanup)(const void *, gleaner_cleanup_function, uintptr_t, unsigned, uint64_t *);
    int (*cancel)(uint64_t);
    int (*weak_make)(const void *, uint64_t *);
    void *(*weak_get)(uint64_t);
    int (*weak_drop)(uint64_t);
    int (*adopt)(uintptr_t address, size_t size, unsigned flags, gleaner_cleanup_function cleanup,
                 uintptr_t argument, uint64_t *handle);
    int (*disown)(uint64_t handle);
};

/* The table, or a null pointer. Any thread may come first. */
static inline const struct gleaner_functions *gleaner_table(void) {
    static const struct gleaner_functions *table;
    static int looked;
    if (!__atomic_load_n(&looked, __ATOMIC_ACQUIRE)) {
        const struct gleaner_functions *(*api)(unsigned) = GLEANER_NULL_;
        void *symbol = dlsym(GLEANER_NULL_, "gleaner_api");
        memcpy(&api, &symbol, sizeof api);
        __atomic_store_n(&table, api ? api(GLEANER_API_VERSION) : GLEANER_NULL_, __ATOMIC_RELAXED);
        __atomic_store_n(&looked, 1, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&table, __ATOMIC_RELAXED);
}

/* Calls a function of the table if it is there; else the answer is `absent`. */
#define GLEANER_CALL_(absent, name, arguments)                                                     \
    (gleaner_table() && gleaner_table()->size > offsetof(struct gleaner_functions, name)               \
         ? gleaner_table()->name arguments                                                         \
         : (absent))

/* Whether the program runs under the library. */
static inline int gleaner_is_present(void) { return gleaner_table() != GLEANER_NULL_; }

/* Collects now, and waits for the end of it: what the caller dropped before has been looked at when it returns.
 * ENOSYS in the mode malloc; EPERM, EBUSY, ETIMEDOUT, ENOMEM, EFAULT, ENOENT, EINPROGRESS: it was not possible. */
static inline int gleaner_collect(void) { return GLEANER_CALL_(GLEANER_ABSENT, collect, ()); }

/* In the mode leak: reports what is lost now. 0: nothing; GLEANER_LEAKS; ENOSYS in other modes. */
static inline int gleaner_check_leaks(void) { return GLEANER_CALL_(GLEANER_ABSENT, check_leaks, ()); }

/* Fills the first `size` bytes of `to`: size is sizeof *to. Absent: all zero. */
static inline int gleaner_stats(struct gleaner_figures *to, size_t size) {
    if (!gleaner_is_present() && to) memset(to, 0, size);
    return GLEANER_CALL_(GLEANER_ABSENT, stats, (to, size));
}

/* Calls the cleanups that are due, on this thread, and tells how many. They are called here, or on the thread of
 * gleaner_cleanup_thread, and nowhere else; each at most once; none at exit. Absent: 0. */
static inline size_t gleaner_run_cleanups(void) { return GLEANER_CALL_(0u, run_cleanups, ()); }

/* From now on a thread of the library's calls the cleanups as they become due, with all signals
 * blocked. A child of fork has none until it calls this again. */
static inline int gleaner_cleanup_thread(void) { return GLEANER_CALL_(GLEANER_ABSENT, cleanup_thread, ()); }

/* --- Pins ---------------------------------------------------------------------------------------
 * While an object is pinned its memory stays what it is: not reclaimed, not reused, not moved, even if the program
 * frees or reallocates it meanwhile: then it is held, and goes with the last unpin. For memory that somebody knows of
 * whom no collector sees: the kernel (io_uring, ioctl), a device, another process. Pins are counted. They do not recurse: what
 * a pinned object points to is reachable, no more. Not promised: mlock, MADV_DONTFORK, residency.
 *
 * Any byte of the object that the program may use names it; one past the end does not.
 * EFAULT: the object is dead; EOVERFLOW: 2^32 - 1 pins; ENOMEM; EBUSY: in a signal handler that interrupted the allocator;
 * GLEANER_NOT_OURS: no object of the library's (a global, the stack, a mapping): nothing to be done. */
static inline int gleaner_pin(const void *p) { return GLEANER_CALL_(GLEANER_ABSENT, pin, (p)); }

/* One pin less. ENOENT: it has none. */
static inline int gleaner_unpin(const void *p) { return GLEANER_CALL_(GLEANER_ABSENT, unpin, (p)); }

/* Pins every object that has a byte in the range, be it a neighbour that nothing points to: all or none. EINVAL: the range
 * is empty, or wraps. */
static inline int gleaner_pin_range(const void *p, size_t n) {
    return GLEANER_CALL_(GLEANER_ABSENT, pin_range, (p, n));
}

/* Takes one pin from each pinned object of the range. Objects that were born there since and pinned by others lose one
 * too: a scope knows its own. */
static inline int gleaner_unpin_range(const void *p, size_t n) {
    return GLEANER_CALL_(GLEANER_ABSENT, unpin_range, (p, n));
}

/* A block for free(), pinned until then. Absent: malloc. */
static inline void *gleaner_alloc_pinned(size_t n) { return GLEANER_CALL_(malloc(n), alloc_pinned, (n)); }

/* A scope keeps its pins until it is closed. ECANCELED: it is closed, or was never opened; EINVAL: a null pointer.
 * Threads may share one. A scope that nobody can close any more is reported, and its pins stay. */
static inline int gleaner_scope_open(struct gleaner_scope *scope) {
    if (scope) scope->word = 0;
    return GLEANER_CALL_(GLEANER_ABSENT, scope_open, (scope));
}
static inline int gleaner_scope_pin(struct gleaner_scope *scope, const void *p) {
    return GLEANER_CALL_(GLEANER_ABSENT, scope_pin, (scope, p));
}
static inline int gleaner_scope_pin_range(struct gleaner_scope *scope, const void *p, size_t n) {
    return GLEANER_CALL_(GLEANER_ABSENT, scope_pin_range, (scope, p, n));
}
static inline int gleaner_scope_close(struct gleaner_scope *scope) {
    return GLEANER_CALL_(GLEANER_ABSENT, scope_close, (scope));
}
static inline void gleaner_scope_end_(struct gleaner_scope *scope) { (void)gleaner_scope_close(scope); }

/* GLEANER_SCOPE(name); in a block: an open scope that is closed where the block is left; not by longjmp, and by
 * pthread_exit only if compiled with -fexceptions, as C++ is. */
#define GLEANER_SCOPE(name)                                                     \
    __attribute__((cleanup(gleaner_scope_end_))) struct gleaner_scope name = {0}; \
    (void)gleaner_scope_open(&name)

/* Writes a line to the descriptor for each pinned object and each open scope: how often, from where, since when. */
static inline int gleaner_report_pins(int fd) { return GLEANER_CALL_(GLEANER_ABSENT, report_pins, (fd)); }

/* Neither the object nor what only it leads to is a leak, or garbage, until it is freed. */
static inline int gleaner_ignore_object(const void *p) {
    return GLEANER_CALL_(GLEANER_ABSENT, ignore_object, (p));
}

/* Words at aligned places of the range are looked at for pointers, whatever the memory is. As often as it is
 * registered. EINVAL, ENOMEM; ENOENT: no such range is registered. */
static inline int gleaner_register_root(const void *p, size_t n) {
    return GLEANER_CALL_(GLEANER_ABSENT, register_root, (p, n));
}
static inline int gleaner_unregister_root(const void *p, size_t n) {
    return GLEANER_CALL_(GLEANER_ABSENT, unregister_root, (p, n));
}

/* --- Cleanups and weak handles ------------------------------------------------------------------
 * An object is dead when the program frees it, or when a collection reclaims it (mode gc). realloc does not end it: what is
 * attached moves along.
 *
 * A cleanup is a function to be called when the object at p is dead, with the address and size it had, and `argument`. An object
 * may have several; their order is not specified, and cycles are no matter, since nothing that is registered keeps
 * anything alive. It is called by gleaner_run_cleanups or the thread of gleaner_cleanup_thread. It may do
 * anything; left by an exception or by longjmp it counts as being called. `size` is what malloc_usable_size told. The library that
 * holds the function stays loaded. `handle` may be null.
 * EINVAL: no function, unknown flags, or an argument that points into the object; EFAULT, ENOMEM, EBUSY, GLEANER_NOT_OURS as
 * for pins. */
static inline int gleaner_add_cleanup(const void *p, gleaner_cleanup_function function, uintptr_t argument,
                                      unsigned flags, uint64_t *handle) {
    if (handle) *handle = 0;
    return GLEANER_CALL_(GLEANER_ABSENT, add_cleanup, (p, function, argument, flags, handle));
}

/* 0: it will not be called; GLEANER_QUEUED; GLEANER_DONE. Handles of cleanups that are over are never taken for new ones. */
static inline int gleaner_cancel(uint64_t handle) { return GLEANER_CALL_(GLEANER_ABSENT, cancel, (handle)); }

/* A weak handle does not keep its object alive. The same byte of the same object has the same handle, so that handles can be
 * compared; each gleaner_weak_make needs its gleaner_weak_drop. Absent: the handle is 0. EINVAL: a null pointer for it. */
static inline int gleaner_weak_make(const void *p, uint64_t *handle) {
    if (handle) *handle = 0;
    return GLEANER_CALL_(GLEANER_ABSENT, weak_make, (p, handle));
}

/* The pointer that the handle was made of (or where realloc moved it to), or a null pointer: the object is dead, the handle
 * is 0 or no handle. What it returns keeps the object alive like any other pointer. Handles are
 * cleared before cleanups are called. A free() by another thread, at the same time, may follow at once: the program orders that itself.
 * In a signal handler that interrupted the allocator: a null pointer. */
static inline void *gleaner_weak_get(uint64_t handle) { return GLEANER_CALL_(GLEANER_NULL_, weak_get, (handle)); }
static inline int gleaner_weak_drop(uint64_t handle) {
    return GLEANER_CALL_(GLEANER_ABSENT, weak_drop, (handle));
}

/* --- Foreign memory -----------------------------------------------------------------------------
 * What one adopts:
 *   GLEANER_SCAN    it may hold the only pointers to objects: read if, and only if, something points to it
 *   GLEANER_NOSCAN  it holds no pointers that count
 * and with either, perhaps, GLEANER_THIS_PROCESS: children of fork have no cleanup for it. */
#define GLEANER_SCAN 2u
#define GLEANER_NOSCAN 4u

/* Makes `size` bytes at `address` (any memory that is not the library's: a mapped file, shared memory, another
 * allocator's block) an object: as long as a word that the program can reach points into it, or just behind it
 * (where no object of the heap and no library begins), it lives;
 * when none does, `cleanup` becomes due, once. Until then it is no root. It is not unmapped by the library.
 * What `argument` points to stays until cleanup has returned, but keeps no adopted memory alive.
 * Memory that the program unmaps, or maps over, even a part of it, is disowned by that; mremap takes its
 * cleanup along. At exit no cleanup runs.
 * EEXIST: part of it is adopted; EINVAL: empty, or memory of the library's, or strange flags; ENOMEM; EBUSY. */
static inline int gleaner_adopt(void *address, size_t size, unsigned flags, gleaner_cleanup_function cleanup,
                                uintptr_t argument, uint64_t *handle) {
    if (handle) *handle = 0;
    return GLEANER_CALL_(GLEANER_ABSENT, adopt, (GLEANER_CAST_(uintptr_t, address), size, flags, cleanup, argument, handle));
}

/* Takes it back. 0: the cleanup will not run; GLEANER_QUEUED; GLEANER_DONE. */
static inline int gleaner_disown(uint64_t handle) { return GLEANER_CALL_(GLEANER_ABSENT, disown, (handle)); }

#ifdef __cplusplus
}
#endif
#endif
