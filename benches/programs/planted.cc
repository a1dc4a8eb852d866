// Leaks of every kind, and live objects in awkward places: which of them does a leak detector tell, and by which name?
//   planted --list          kinds and places, a line each: the name, the bytes that are lost or kept in one place
//   planted NAME [PLUGIN]   one of them, in a process of its own
// What is lost is allocated in a function plant_NAME, what is kept in one called place_NAME. benches/leak judges by that.
// With -DPLUGIN it is a shared object, which the kind `plugin` opens and closes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <memory>
#include <pthread.h>
#include <regex.h>
#include <csetjmp>
#include <csignal>
#include <ctime>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline, noclone))
// A frame of its own: what follows the call keeps it from being a tail call.
#define NOTAIL __asm__ volatile("" : : : "memory")

#ifdef PLUGIN
extern "C" NOINLINE void plant_plugin() {
    memset(malloc(1301), 1, 1301);
    NOTAIL;
}
#else

static void *volatile sink;
static const char *plugin_path;
template <class T> static T *used(T *p) {
    sink = (void *)p;
    sink = nullptr;
    return p;
}
static void *filled(void *p, size_t size) { return used(memset(p, 1, size)); }

// Overwrites the stack below its caller, and registers, as a program does that goes on.
NOINLINE static void scrub() {
    volatile char stack[32768];
    for (size_t i = 0; i < sizeof stack; i++) stack[i] = 0;
    __asm__ volatile("xor %%ebx, %%ebx\n xor %%r12d, %%r12d\n xor %%r13d, %%r13d\n xor %%r14d, %%r14d\n xor %%r15d, %%r15d\n"
                     "pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n pxor %%xmm2, %%xmm2\n pxor %%xmm3, %%xmm3\n"
                     : : : "rbx", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "memory");
}

// ---- what is lost
NOINLINE static void plant_malloc() { filled(malloc(1003), 1003); NOTAIL; }
NOINLINE static void plant_calloc() { used(calloc(7, 151)); NOTAIL; }
NOINLINE static void plant_realloc() {
    void *p = malloc(10);
    filled(realloc(p, 1013), 1013);
    NOTAIL;
}
NOINLINE static void plant_realloc_null() { filled(realloc(nullptr, 1019), 1019); NOTAIL; }
NOINLINE static void plant_posix_memalign() {
    void *p = nullptr;
    if (posix_memalign(&p, 256, 1021)) abort();
    filled(p, 1021);
    p = nullptr;
    NOTAIL;
}
NOINLINE static void plant_aligned_alloc() { filled(aligned_alloc(64, 1088), 1088); NOTAIL; }
NOINLINE static void plant_strdup() {
    char text[1031];
    memset(text, 'x', 1030);
    text[1030] = 0;
    used(strdup(text));
    NOTAIL;
}
NOINLINE static void plant_getline() {
    char text[] = "some words of a line\n", *line = nullptr;
    size_t room = 0;
    FILE *file = fmemopen(text, sizeof text - 1, "r");
    if (getline(&line, &room, file) < 0) abort();
    fclose(file);
    line = nullptr;
    NOTAIL;
}
NOINLINE static void plant_opendir() { used(opendir("/")); NOTAIL; }
NOINLINE static void plant_regcomp() {
    regex_t rule;
    if (regcomp(&rule, "^[a-c]+(d|e)*f", REG_EXTENDED)) abort();
    memset(&rule, 0, sizeof rule);
    NOTAIL;
}
NOINLINE static void plant_new() { used(new char[1033]); NOTAIL; }
struct Loud {
    char text[101];
    ~Loud() { sink = text; }
};
NOINLINE static void plant_new_array() { used(new Loud[10]); NOTAIL; }
NOINLINE static void plant_string() {
    auto *words = new std::string(1039, 'x');
    words->append("y");
    used(words);
    words = nullptr;
    NOTAIL;
}
NOINLINE static void plant_vector() {
    auto *words = new std::vector<std::string>;
    for (int i = 0; i < 20; i++) words->push_back(std::string(100 + i, 'x'));
    used(words);
    words = nullptr;
    NOTAIL;
}
struct Knot {
    std::shared_ptr<Knot> next;
    char rest[1000];
};
NOINLINE static void plant_shared_cycle() {
    auto a = std::make_shared<Knot>(), b = std::make_shared<Knot>();
    a->next = b;
    b->next = a;
    NOTAIL;
}
struct Node {
    Node *next, *other;
    char rest[1000];
};
static Node *kept_list;
NOINLINE static void plant_list() {
    Node *head = nullptr;
    for (int i = 0; i < 5; i++) {
        Node *one = (Node *)filled(malloc(sizeof(Node)), sizeof(Node));
        one->next = head;
        head = one;
    }
    used(head);
    head = nullptr;
    NOTAIL;
}
NOINLINE static void plant_list_tail() {
    for (int i = 0; i < 5; i++) {
        Node *one = (Node *)filled(malloc(sizeof(Node)), sizeof(Node));
        one->next = kept_list;
        kept_list = one;
    }
    kept_list->next = nullptr;
    NOTAIL;
}
NOINLINE static void plant_cycle() {
    Node *a = (Node *)filled(malloc(sizeof(Node)), sizeof(Node)), *b = (Node *)filled(malloc(sizeof(Node)), sizeof(Node));
    a->next = b;
    b->next = a;
    a = b = nullptr;
    NOTAIL;
}
NOINLINE static void plant_self() {
    Node *a = (Node *)filled(malloc(1048), 1048);
    a->next = a;
    a = nullptr;
    NOTAIL;
}
NOINLINE static Node *plant_tree_of(int levels) {
    if (!levels) return nullptr;
    Node *one = (Node *)filled(malloc(sizeof(Node)), sizeof(Node));
    one->next = plant_tree_of(levels - 1);
    one->other = plant_tree_of(levels - 1);
    return one;
}
NOINLINE static void plant_tree() { used(plant_tree_of(4)); NOTAIL; }
static void *volatile only;
NOINLINE static void plant_overwritten() {
    only = filled(malloc(1049), 1049);
    only = nullptr;
    NOTAIL;
}
NOINLINE static void plant_holder_freed() {
    void **holder = (void **)malloc(64);
    *holder = filled(malloc(1051), 1051);
    only = holder;
    free(holder);
    only = nullptr;
    NOTAIL;
}
NOINLINE static void plant_large() { filled(malloc(8 << 20), 8 << 20); NOTAIL; }
NOINLINE static void plant_untouched() { used(malloc(1061)); NOTAIL; }
NOINLINE static int plant_deep_at(int level) {
    if (!level) return filled(malloc(1063), 1063) != nullptr;
    int made = plant_deep_at(level - 1);
    NOTAIL;
    return made + 1;
}
NOINLINE static void plant_deep() { plant_deep_at(40); NOTAIL; }
NOINLINE static void plant_thread() { filled(malloc(1069), 1069); NOTAIL; }
NOINLINE static void in_thread(void (*work)()) {
    pthread_t thread;
    auto run = [](void *work) -> void * {
        ((void (*)())work)();
        return nullptr;
    };
    if (pthread_create(&thread, nullptr, run, (void *)work)) abort();
    pthread_join(thread, nullptr);
}
NOINLINE static void start_thread() { in_thread(plant_thread); }
NOINLINE static void *plant_thread_result(void *) {
    void *p = filled(malloc(1087), 1087);
    NOTAIL;
    return p;
}
NOINLINE static void start_thread_result() {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, plant_thread_result, nullptr)) abort();
    pthread_join(thread, nullptr);
}
static thread_local void *volatile of_thread;
NOINLINE static void plant_thread_local() { of_thread = filled(malloc(1091), 1091); NOTAIL; }
NOINLINE static void start_thread_local() { in_thread(plant_thread_local); }
NOINLINE static void plant_thread_key() {
    pthread_key_t key;
    if (pthread_key_create(&key, nullptr)) abort();
    pthread_setspecific(key, filled(malloc(1093), 1093));
    NOTAIL;
}
NOINLINE static void start_thread_key() { in_thread(plant_thread_key); }
NOINLINE static void open_plugin() {
    void *plugin = dlopen(plugin_path, RTLD_NOW);
    if (!plugin) abort();
    ((void (*)())dlsym(plugin, "plant_plugin"))();
    dlclose(plugin);
    if (dlopen(plugin_path, RTLD_NOW | RTLD_NOLOAD)) abort();
}
static jmp_buf back;
NOINLINE static void plant_longjmp_over() {
    void *p = filled(malloc(1097), 1097);
    NOTAIL;
    longjmp(back, p != nullptr);
}
NOINLINE static void plant_longjmp() {
    if (!setjmp(back)) plant_longjmp_over();
}
NOINLINE static void plant_exception_over() {
    void *p = filled(malloc(1103), 1103);
    if (p) throw std::runtime_error("no more");
    free(p);
}
NOINLINE static void plant_exception() {
    try {
        plant_exception_over();
    } catch (std::exception &) {
    }
}
NOINLINE static int plant_callback_of(const void *a, const void *b) {
    static int once;
    if (!once++) filled(malloc(1109), 1109);
    NOTAIL;
    return *(const int *)a - *(const int *)b;
}
NOINLINE static void plant_callback() {
    int some[] = {3, 1, 2};
    qsort(some, 3, sizeof *some, plant_callback_of);
}
NOINLINE static void plant_stale_stack() {
    // The pointer stays in a dead frame: nobody scrubs behind it.
    void *volatile local = filled(malloc(1117), 1117);
    (void)local;
    NOTAIL;
}
NOINLINE static void plant_mapping() {
    void *p = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) abort();
    filled(p, 4096);
    p = nullptr;
    NOTAIL;
}
NOINLINE static void plant_in_child() { filled(malloc(1123), 1123); NOTAIL; }
NOINLINE static void plant_before_exit() { filled(malloc(1129), 1129); NOTAIL; }
NOINLINE static void plant_before_quick_exit() { filled(malloc(1151), 1151); NOTAIL; }
NOINLINE static void plant_before_signal() { filled(malloc(1153), 1153); NOTAIL; }

// ---- what is kept
static void *global, *volatile bent;
static const size_t KEPT = 2003;
// The pointer leaves this function in the place only; each caller has a frame of its own in between.
NOINLINE static char *kept() {
    char *p = (char *)malloc(KEPT);
    memset(p, 2, KEPT);
    NOTAIL;
    return p;
}
NOINLINE static void place_global() { global = kept(); }
static thread_local void *volatile local_of_thread;
NOINLINE static void place_thread_local() { local_of_thread = kept(); }
NOINLINE static void place_thread_key() {
    pthread_key_t key;
    pthread_key_create(&key, nullptr);
    pthread_setspecific(key, kept());
}
NOINLINE static void place_high_key() {
    pthread_key_t key = 0;
    for (int i = 0; i < 100; i++) pthread_key_create(&key, nullptr);
    pthread_setspecific(key, kept());
}
NOINLINE static void place_interior() { global = kept() + 1000; }
NOINLINE static void place_one_past_end() { global = kept() + KEPT; }
NOINLINE static void place_low_tag() { global = (void *)((uintptr_t)kept() | 7); }
NOINLINE static void place_high_tag() { global = (void *)((uintptr_t)kept() | (uintptr_t)0xabcd << 48); }
static char packed[64];
NOINLINE static void place_unaligned() {
    char *p = kept();
    memcpy(packed + 3, &p, sizeof p);
}
NOINLINE static void place_epoll() {
    int set = epoll_create1(0), ends[2];
    if (pipe(ends)) abort();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = kept();
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
    event.data.ptr = nullptr;
}
static void ring(sigval) {}
NOINLINE static void place_timer() {
    timer_t timer;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = ring;
    event.sigev_value.sival_ptr = kept();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) abort();
    itimerspec later{{3600, 0}, {3600, 0}};
    timer_settime(timer, 0, &later, nullptr);
    memset(&event, 0, sizeof event);
}
static void *mapped(int flags) {
    void *p = mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) abort();
    return p;
}
NOINLINE static void place_mapping() { ((void **)(global = mapped(MAP_PRIVATE)))[100] = kept(); }
NOINLINE static void place_shared_mapping() { ((void **)(global = mapped(MAP_SHARED)))[100] = kept(); }
NOINLINE static void place_file_mapping() {
    int file = memfd_create("kept", 0);
    if (ftruncate(file, 1 << 16)) abort();
    global = mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    ((void **)global)[100] = kept();
}
NOINLINE static void place_read_only() {
    ((void **)(global = mapped(MAP_PRIVATE)))[100] = kept();
    mprotect(global, 1 << 16, PROT_READ);
}
NOINLINE static void place_no_access() {
    ((void **)(global = mapped(MAP_PRIVATE)))[100] = kept();
    mprotect(global, 1 << 16, PROT_NONE);
}
NOINLINE static void place_break() {
    void **p = (void **)sbrk(1 << 16);
    p[100] = kept();
    global = p;
}
NOINLINE static void place_environment() {
    char *p = kept();
    strcpy(p, "KEPT=1");
    putenv(p);
}
static char **arguments;
NOINLINE static void place_argument() { arguments[0] = kept(); }
NOINLINE static void place_exit_argument() {
    on_exit([](int, void *) {}, kept());
}
static ucontext_t main_context, side_context;
static void side() {
    void *volatile here = kept();
    swapcontext(&side_context, &main_context);
    sink = here;
}
NOINLINE static void coroutine(char *stack) {
    getcontext(&side_context);
    side_context.uc_stack.ss_sp = stack;
    side_context.uc_stack.ss_size = 1 << 16;
    side_context.uc_link = &main_context;
    makecontext(&side_context, side, 0);
    swapcontext(&main_context, &side_context);
}
NOINLINE static void place_coroutine() { coroutine((char *)(global = mapped(MAP_PRIVATE))); }
NOINLINE static void place_coroutine_in_heap() { coroutine((char *)(global = malloc(1 << 16))); }
static volatile int ready;
static void started(void *(*work)(void *), void *with) {
    pthread_t thread;
    ready = 0;
    if (pthread_create(&thread, nullptr, work, with)) abort();
    while (!ready) usleep(1000);
    usleep(10000);
}
NOINLINE static void *on_its_stack(void *) {
    void *volatile here = kept();
    ready = 1;
    for (;;) pause();
    sink = here;
}
NOINLINE static void place_thread_stack() { started(on_its_stack, nullptr); }
NOINLINE static void *in_a_register(void *) {
    void *p = kept();
    ready = 1;
    scrub();
    // Nothing but rbx has it while the thread waits in the kernel.
    __asm__ volatile("mov %0, %%rbx\n xor %0, %0\n mov $34, %%eax\n 1: syscall\n jmp 1b" : "+r"(p) : : "rbx", "rax", "rcx", "r11", "memory");
    return nullptr;
}
NOINLINE static void place_register() { started(in_a_register, nullptr); }
NOINLINE static void *in_a_vector_register(void *) {
    void *p = kept();
    ready = 1;
    scrub();
    __asm__ volatile("movq %0, %%xmm9\n xor %0, %0\n mov $34, %%eax\n 1: syscall\n jmp 1b" : "+r"(p) : : "xmm9", "rax", "rcx", "r11", "memory");
    return nullptr;
}
NOINLINE static void place_vector_register() { started(in_a_vector_register, nullptr); }
NOINLINE static void *with_an_argument(void *) {
    ready = 1;
    for (;;) pause();
}
NOINLINE static void place_thread_argument() { started(with_an_argument, kept()); }
NOINLINE static void place_alternate_stack() {
    stack_t stack{};
    stack.ss_sp = global = mapped(MAP_PRIVATE);
    stack.ss_size = 1 << 16;
    sigaltstack(&stack, nullptr);
    ((void **)global)[5] = kept();
}
static jmp_buf held;
NOINLINE static void place_jump_buffer() {
    void *p = kept();
    __asm__ volatile("mov %0, %%rbx" : : "r"(p) : "rbx");
    // rbx is stored as it is; rsp and rbp are not.
    if (setjmp(held)) abort();
    __asm__ volatile("" : : "r"(p));
}
NOINLINE static void place_stream_buffer() {
    FILE *file = tmpfile();
    char *p = kept();
    setvbuf(file, p, _IOFBF, KEPT);
}
NOINLINE static void place_blocked_signals() {
    auto run = [](void *) -> void * {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, nullptr);
        return on_its_stack(nullptr);
    };
    started(run, nullptr);
}

// ---- the table
struct Kind {
    const char *name;
    void (*make)();
    size_t bytes;
    enum { GOES_ON, STALE, EXIT, QUICK, SIGNAL, CHILD } then = GOES_ON;
};
#define LOST(name, bytes, ...) {"plant_" #name, plant_##name, bytes, ##__VA_ARGS__}
#define PLACE(name) {"place_" #name, place_##name, KEPT}
static const Kind kinds[] = {
    LOST(malloc, 1003), LOST(calloc, 1057), LOST(realloc, 1013), LOST(realloc_null, 1019), LOST(posix_memalign, 1021),
    LOST(aligned_alloc, 1088), LOST(strdup, 1031), LOST(getline, 120), LOST(opendir, 32816), LOST(regcomp, 0), LOST(new, 1033),
    LOST(new_array, 1018), LOST(string, 0), LOST(vector, 0), LOST(shared_cycle, 0), LOST(list, 5080), LOST(list_tail, 4064),
    LOST(cycle, 2032), LOST(self, 1048), LOST(tree, 0), LOST(overwritten, 1049), LOST(holder_freed, 1051), LOST(large, 8 << 20),
    LOST(untouched, 1061), LOST(deep, 1063), {"plant_thread", start_thread, 1069}, {"plant_thread_result", start_thread_result, 1087},
    {"plant_thread_local", start_thread_local, 1091}, {"plant_thread_key", start_thread_key, 1093}, {"plant_plugin", open_plugin, 1301}, LOST(longjmp, 1097), LOST(exception, 1103),
    LOST(callback, 1109), LOST(mapping, 1 << 20), LOST(stale_stack, 1117, Kind::STALE), LOST(in_child, 1123, Kind::CHILD),
    LOST(before_exit, 1129, Kind::EXIT), LOST(before_quick_exit, 1151, Kind::QUICK), LOST(before_signal, 1153, Kind::SIGNAL),
    PLACE(global), PLACE(thread_local), PLACE(thread_key), PLACE(high_key), PLACE(interior), PLACE(one_past_end), PLACE(low_tag),
    PLACE(high_tag), PLACE(unaligned), PLACE(epoll), PLACE(timer), PLACE(mapping), PLACE(shared_mapping), PLACE(file_mapping),
    PLACE(read_only), PLACE(no_access), PLACE(break), PLACE(environment), PLACE(argument), PLACE(exit_argument), PLACE(coroutine),
    PLACE(coroutine_in_heap), PLACE(thread_stack), PLACE(register), PLACE(vector_register), PLACE(thread_argument),
    PLACE(alternate_stack), PLACE(jump_buffer), PLACE(stream_buffer), PLACE(blocked_signals),
};

int main(int count, char **words) {
    arguments = words;
    if (count < 2) return 2;
    plugin_path = count > 2 ? words[2] : "";
    for (const Kind &kind : kinds) {
        if (!strcmp(words[1], "--list")) {
            printf("%s %zu\n", kind.name, kind.bytes);
            continue;
        }
        if (strcmp(words[1], kind.name)) continue;
        if (kind.then == Kind::CHILD) {
            pid_t child = fork();
            if (child) return waitpid(child, nullptr, 0) != child;
        }
        kind.make();
        if (kind.then != Kind::STALE) scrub();
        // Programs go on.
        free(used(malloc(24)));
        switch (kind.then) {
        case Kind::EXIT: _exit(0);
        case Kind::QUICK: quick_exit(0);
        case Kind::SIGNAL: raise(SIGTERM); break;
        default: return 0;
        }
    }
    return 0;
}
#endif
