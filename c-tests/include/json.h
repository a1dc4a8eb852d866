/* Whether a text is one value of JSON (RFC 8259) and nothing else. */
#ifndef JSON_H
#define JSON_H
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *json_blank_(const char *at) { return at + strspn(at, " \t\r\n"); }

static const char *json_string_(const char *at) {
    if (*at++ != '"') return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < ' ') return NULL;
        if (*at == '\\' && *++at == 0) return NULL;
    }
    return at + 1;
}
/* Where the value at `at` ends, or NULL. */
static const char *json_value_(const char *at) {
    at = json_blank_(at);
    if (*at == '"') return json_string_(at);
    if (*at == '[' || *at == '{') {
        char end = *at == '[' ? ']' : '}';
        at = json_blank_(at + 1);
        if (*at == end) return at + 1;
        for (;; at++) {
            if (end == '}') {
                if (!(at = json_string_(json_blank_(at))) || *(at = json_blank_(at)) != ':') return NULL;
                at++;
            }
            if (!(at = json_value_(at))) return NULL;
            at = json_blank_(at);
            if (*at == end) return at + 1;
            if (*at != ',') return NULL;
        }
    }
    const char *words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++)
        if (!strncmp(at, words[i], strlen(words[i]))) return at + strlen(words[i]);
    size_t digits = strspn(at, "-+.0123456789eE");
    return digits ? at + digits : NULL;
}
static int is_json(const char *text) {
    const char *end = json_value_(text);
    return end && *json_blank_(end) == 0;
}
#endif
