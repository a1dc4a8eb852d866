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
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes only when programs compiled with an older header would be misunderstood. */
#define GLEANER_API_VERSION 1u

/* The program does not run under libgleaner.so, or under one that does not know this call. */
#define GLEANER_ABSENT (-1)
/* The address belongs to no object of the library's. */
#define GLEANER_NOT_OURS (-2)
/* gleaner_check_leaks: there are leaks, and they were reported. */
#define GLEANER_LEAKS (-3)

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

/* The functions. Programs call the wrappers below. A library may have fewer of them than this header
 * (`size` tells, in bytes), or more. */
struct gleaner_table {
    unsigned version, size;
    int (*collect)(void);
    int (*check_leaks)(void);
    int (*stats)(struct gleaner_figures *to, size_t size);
    size_t (*run_cleanups)(void);
    int (*cleanup_thread)(void);
};

/* The table, or a null pointer. Any thread may come first. */
static inline const struct gleaner_table *gleaner_table(void) {
    static const struct gleaner_table *table;
    static int looked;
    if (!__atomic_load_n(&looked, __ATOMIC_ACQUIRE)) {
        const struct gleaner_table *(*api)(unsigned) = NULL;
        void *symbol = dlsym((void *)0, "gleaner_api");
        memcpy(&api, &symbol, sizeof api);
        __atomic_store_n(&table, api ? api(GLEANER_API_VERSION) : NULL, __ATOMIC_RELAXED);
        __atomic_store_n(&looked, 1, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&table, __ATOMIC_RELAXED);
}

/* Calls a function of the table if it is there; else the answer is `absent`. */
#define GLEANER_CALL_(absent, name, arguments)                                                     \
    (gleaner_table() && gleaner_table()->size > offsetof(struct gleaner_table, name)               \
         ? gleaner_table()->name arguments                                                         \
         : (absent))

/* Whether the program runs under the library. */
static inline int gleaner_is_present(void) { return gleaner_table() != NULL; }

/* Collects now, and waits for the end of it: what the caller dropped before has been looked at when it returns.
 * ENOSYS in the mode malloc; EPERM, EBUSY, ETIMEDOUT, ENOMEM, EFAULT, ENOENT: it was not possible. */
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
static inline size_t gleaner_run_cleanups(void) { return GLEANER_CALL_((size_t)0, run_cleanups, ()); }

/* From now on a thread of the library's calls the cleanups as they become due, with all signals
 * blocked. A child of fork has none until it calls this again. */
static inline int gleaner_cleanup_thread(void) { return GLEANER_CALL_(GLEANER_ABSENT, cleanup_thread, ()); }

#ifdef __cplusplus
}
#endif
#endif
