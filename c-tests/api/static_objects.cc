// Objects with constructors and destructors outside of main hold pins, and ask for collections.
// flags: -std=c++17 -pthread
#include <cstdio>
#include <cstdlib>
#include <gleaner.h>
#include <map>
#include <string>
#include <thread>

static void check(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "%s is false\n", what);
        std::_Exit(1);
    }
}
struct Holder {
    gleaner_scope scope;
    void *object;
    Holder() : scope(), object(std::malloc(50)) {
        int status = gleaner_scope_open(&scope);
        check(status == 0 || status == GLEANER_ABSENT, "opened");
        check(gleaner_scope_pin(&scope, object) == status, "pinned");
    }
    ~Holder() {
        gleaner_collect();
        std::free(object);
        int status = gleaner_scope_close(&scope);
        check(status == (gleaner_is_present() ? 0 : GLEANER_ABSENT), "closed");
        gleaner_run_cleanups();
    }
};
static std::map<int, std::string> texts;
static Holder first;
static thread_local Holder of_thread;
struct Last {
    ~Last() {
        texts[1] = "x";
        gleaner_collect();
        GLEANER_SCOPE(scope);
        gleaner_scope_pin(&scope, texts[0].data());
    }
};
static Last last;

int main() {
    texts[0] = std::string(1000, 'x');
    check(of_thread.object != nullptr, "a thread's own");
    std::thread other([] { check(of_thread.object != first.object, "another thread's own"); });
    other.join();
    for (int i = 0; i < 20; i++) {
        GLEANER_SCOPE(scope);
        int status = gleaner_scope_pin(&scope, texts[0].data());
        check(status == 0 || status == GLEANER_ABSENT, "a string's");
        gleaner_collect();
    }
}
