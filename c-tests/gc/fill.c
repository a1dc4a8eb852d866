// fill=: what is reclaimed loses its bytes, so that a hidden pointer shows; nothing that is allocated later does.
// modes: gc
// native: no
// timeout: 60
#include "check.h"
#include <gleaner.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { EACH = 40, BYTE = 165 };
static const size_t sizes[] = {17, 100, 5000, 40000, 300000, 3 << 20, 40 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };
static uintptr_t hidden[SIZES][EACH], untouched;
static const uintptr_t key = 0x5555aaaa5555aaaa;

static __attribute__((noinline)) void hide(void) {
    for (int s = 0; s < SIZES; s++)
        for (int i = 0; i < (sizes[s] > 1 << 20 ? 4 : EACH); i++)
            hidden[s][i] = (uintptr_t)memset(malloc(sizes[s]), 1, sizes[s]) ^ key;
    untouched = (uintptr_t)calloc(1, 600 << 20) ^ key;
}
/* The byte at an address, or -1: there is no memory any more. */
static int look(uintptr_t at) {
    unsigned char byte;
    struct iovec to = {&byte, 1}, from = {(void *)at, 1};
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1 ? byte : -1;
}
/* Of each size: how many have the byte, or no bytes; the rest must be as they were. */
static int reclaimed(int s, int each, int *unmapped) {
    int found = 0;
    for (int i = 0; i < each; i++) {
        uintptr_t at = hidden[s][i] ^ key;
        int first = look(at + 16), last = look(at + sizes[s] - 1), middle = look(at + sizes[s] / 2 + 8);
        if (sizes[s] < 50) middle = first;
        if (first == 1 && middle == 1 && last == 1) continue;
        CHECK(first == last && middle == last && (last == BYTE || last <= 0));
        found++;
        *unmapped += last != BYTE;
    }
    return found;
}
static int work(int level) {
    hide();
    clear_stack();
    for (int i = 0; i < 4; i++) { CHECK(gleaner_collect() == 0); clear_stack(); }
    int small = 0, large = 0, gone = 0, held = 0;
    for (int s = 0; s < SIZES; s++) {
        int each = sizes[s] > 1 << 20 ? 4 : EACH, unmapped = 0, found = reclaimed(s, each, &unmapped);
        CHECK(found >= each - 3);
        held += each - found;
        gone += unmapped;
        if (sizes[s] <= 5000) small += found - unmapped;
        else large += found - unmapped;
    }
    /* At the levels 2 and 3 large ones have mappings of their own, at 3 the first small ones, too. */
    CHECK(level >= 3 || small >= 3 * EACH - 9);
    CHECK(level >= 2 ? gone > EACH - 3 : large > EACH);
    /* Pages that nobody touched stay so. */
    CHECK(status_kib("VmHWM") < 500 << 10);
    for (int s = 0; s < SIZES; s++)
        for (int i = 0; i < 2 * EACH; i++) {
            unsigned char *p = calloc(1, sizes[s]);
            CHECK(p);
            for (size_t at = 0; at < sizes[s]; at += sizes[s] > 40000 ? 509 : 1) CHECK(p[at] == 0);
            free(p);
        }
    return 0;
}
int main(int argc, char **argv) {
    if (argc > 1) return work(atoi(argv[1]));
    for (int level = 0; level <= 3; level++) {
        char options[100], number[2] = {'0' + level, 0};
        int status;
        snprintf(options, sizeof options, "mode=gc:min_growth=1t:fill=%d:secure=%d", BYTE, level);
        pid_t child = fork();
        if (child == 0) {
            CHECK(setenv("GLEANER", options, 1) == 0);
            execl("/proc/self/exe", "program", number, (char *)NULL);
            _exit(99);
        }
        CHECK(waitpid(child, &status, 0) == child);
        if (status) dprintf(2, "level %d: %x\n", level, status);
        CHECK(status == 0);
    }
}
