// malloc_info writes an XML document that starts with <malloc version= and ends with </malloc>; options other than 0 are EINVAL.
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
    CHECK(malloc_info(1, stdout) != 0);
}
