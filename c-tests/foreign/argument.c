// What a cleanup's argument points to stays until the cleanup has returned, and keeps no range alive, not even by pointing back.
#include "foreign.h"

struct view { void *at; size_t size; char name[40]; struct view *next; };
static int done, wrong;

static void unmap(uintptr_t at, size_t size, uintptr_t arg) {
    struct view *v = (void *)arg;
    wrong += strcmp(v->name, "a view") || strcmp(v->next->name, "another") || v->at != (void *)at || v->size != size;
    done++;
    CHECK(munmap((void *)at, size) == 0);
    free(v->next), free(v);
}
static __attribute__((noinline)) void prepare(void) {
    for (int i = 0; i < 10; i++) {
        struct view *v = malloc(sizeof *v);
        v->next = malloc(sizeof *v);
        strcpy(v->name, "a view"), strcpy(v->next->name, "another");
        v->at = map(PAGE), v->size = PAGE;
        CHECK(gleaner_adopt(v->at, PAGE, i % 2 ? GLEANER_SCAN : GLEANER_NOSCAN, unmap, (uintptr_t)v, 0) == (gleaner_is_present() ? 0 : GLEANER_ABSENT));
    }
}

int main(void) {
    prepare();
    for (int i = 0; i < 8; i++) {
        forget(), gleaner_collect();
        for (int j = 0; j < 1000; j++) free(malloc(j));
    }
    gleaner_run_cleanups();
    collect();
    CHECK(wrong == 0 && (!collects() || done >= 9));
    return 0;
}
