// A pointer to any byte of a range, or just behind it, in the heap, in another range or on a stack keeps it; integers in the library's own tables do not.
#include "foreign.h"

static uintptr_t hidden[8];
static void **volatile holder;

/* With mapped memory behind it: what begins just behind a range may be somebody else's. */
static __attribute__((noinline)) uintptr_t adopt_page(uintptr_t arg) {
    char *p = map(2 * PAGE);
    adopt_note(p, PAGE, GLEANER_NOSCAN, arg);
    return HIDE(p);
}
static __attribute__((noinline)) void prepare(size_t offset, int where) {
    hidden[where] = adopt_page(where);
    holder[where] = (char *)SHOW(hidden[where]) + offset;
}
/* Two ranges in a row: a pointer to the border keeps both. */
static __attribute__((noinline)) void neighbours(void) {
    char *p = map(4 * PAGE);
    adopt_note(p, PAGE, GLEANER_NOSCAN, 3);
    adopt_note(p + PAGE, PAGE, GLEANER_NOSCAN, 4);
    adopt_note(p + 2 * PAGE, PAGE, GLEANER_NOSCAN, 5);
    hidden[3] = HIDE(p), hidden[4] = HIDE(p + PAGE), hidden[5] = HIDE(p + 2 * PAGE);
    holder[3] = p + PAGE;
}
/* A range that holds the only pointer to another. */
static __attribute__((noinline)) void chain(void) {
    hidden[6] = adopt_new(PAGE, GLEANER_SCAN, 6, 0);
    hidden[7] = adopt_new(PAGE, GLEANER_NOSCAN, 7, 0);
    ((void **)SHOW(hidden[6]))[100] = (char *)SHOW(hidden[7]) + 17;
    holder[6] = SHOW(hidden[6]);
}
static __attribute__((noinline)) void on_stack(size_t offset, uintptr_t arg) {
    char *volatile p = (char *)SHOW(adopt_page(arg)) + offset;
    int before = called;
    for (int i = 0; i < 3; i++) collect();
    for (int i = 0; i < called; i++) CHECK(calls[i].arg != arg);
    CHECK(p && called >= before);
}

int main(void) {
    holder = calloc(8, sizeof *holder);
    prepare(0, 0), prepare(PAGE - 1, 1), prepare(PAGE, 2);
    neighbours(), chain();
    on_stack(0, 99), on_stack(PAGE / 2, 98), on_stack(PAGE, 97);
    collect();
    for (int i = 0; i < 8; i++) CHECK(was_called(hidden[i]) == (i == 5 && collects()));
    for (int i = 0; i < 8; i++) holder[i] = 0;
    collect(), collect();
    for (int i = 0; i < 8; i++) CHECK(was_called(hidden[i]) == collects());
    return 0;
}
