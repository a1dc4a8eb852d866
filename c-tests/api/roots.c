// gleaner_register_root: words of a hidden object keep what they point to; gleaner_ignore_object keeps both. gleaner_check_leaks tells.
// gleaner: min_growth=1g
#include "check.h"
#include <gleaner.h>

struct node { struct node *next; char rest[60]; };
static uintptr_t hidden;
static __attribute__((noinline)) void make(void) {
    struct node *a = malloc(sizeof *a);
    a->next = malloc(sizeof *a);
    fill(a->next->rest, 60, 3);
    a->next->next = NULL;
    hidden = ~(uintptr_t)a->next;
    gleaner_register_root(a, sizeof *a);
    gleaner_ignore_object(a);
}
int main(void) {
    int here = gleaner_is_present();
    static char data[100];
    CHECK(gleaner_register_root(data, 0) == (here ? EINVAL : GLEANER_ABSENT));
    CHECK(gleaner_register_root(data, SIZE_MAX) == (here ? EINVAL : GLEANER_ABSENT));
    CHECK(gleaner_register_root(data, 100) == (here ? 0 : GLEANER_ABSENT));
    CHECK(gleaner_register_root(data, 100) == (here ? 0 : GLEANER_ABSENT));
    for (int i = 0; i < 2; i++) CHECK(gleaner_unregister_root(data, 100) == (here ? 0 : GLEANER_ABSENT));
    CHECK(gleaner_unregister_root(data, 100) == (here ? ENOENT : GLEANER_ABSENT));
    CHECK(gleaner_ignore_object(data) == (here ? GLEANER_NOT_OURS : GLEANER_ABSENT));
    make();
    clear_stack();
    for (int i = 0; i < 4; i++) gleaner_collect();
    CHECK(intact(((struct node *)~hidden)->rest, 60, 3));
    const char *mode = getenv("MODE");
    CHECK(gleaner_check_leaks() == (!here ? GLEANER_ABSENT : strcmp(mode, "leak") ? ENOSYS : 0));
    return 0;
}
