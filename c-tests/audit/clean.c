// A program that hides nothing: lists, tables, pointers into the middle, objects that are lost for good. One line tells what the
// silence is worth, where it is asked for.
// modes: audit
// native: no
// gleaner: verbose=1
// stdout: done
// stderr: gleaner: audit: * collections, 0 abandoned; * objects, * bytes unreachable at the last; none was used afterwards
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    char text[56];
};
int main(void) {
    struct node *list = NULL;
    char *middle[1000] = {0};
    for (int round = 0; round < 400000; round++) {
        struct node *one = malloc(sizeof *one);
        memset(one->text, round, sizeof one->text);
        one->next = list;
        list = one;
        char **m = &middle[round % 1000];
        if (*m)
            free(*m - 100);
        *m = (char *)malloc(300) + 100;
        if (round % 10 == 0)
            *(char *volatile *)&(char *){malloc(50)} = NULL;
        while (round % 1000 == 999 && list) {
            struct node *next = list->next;
            free(list);
            list = next;
        }
    }
    puts("done");
}
