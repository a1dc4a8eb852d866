// malloc_info writes an XML document that starts with <malloc version= and ends with </malloc>, and tells what is free by size; options other than 0 are EINVAL.
#include "check.h"
#include <malloc.h>

int main(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    CHECK(malloc_info(0, f) == 0);
    fclose(f);
    CHECK(!strncmp(text, "<malloc version=", 16));
    char *end = strstr(text, "</malloc>");
    CHECK(end && strlen(end) <= strlen("</malloc>\n"));
    free(text);

    /* A hundred free blocks of a size that few others have. */
    void *p[200];
    for (int i = 0; i < 200; i++) CHECK(p[i] = malloc(5000));
    for (int i = 0; i < 200; i += 2) free(p[i]);
    f = open_memstream(&text, &size);
    CHECK(malloc_info(0, f) == 0);
    fclose(f);
    unsigned long from, to, total, count, free_there = 0;
    for (char *at = text; (at = strstr(at, "<size from=")); at++) {
        CHECK(sscanf(at, "<size from=\"%lu\" to=\"%lu\" total=\"%lu\" count=\"%lu\"/>", &from, &to, &total, &count) == 4);
        CHECK(from <= to && total >= count * from && total <= count * to);
        if (from <= 5001 && 5000 <= to) free_there += count;
    }
    CHECK(!getenv("GLEANER") || (free_there >= 95 && free_there < 130));
    free(text);
    for (int i = 1; i < 200; i += 2) free(p[i]);
    CHECK(malloc_info(1, stdout) != 0);
}
