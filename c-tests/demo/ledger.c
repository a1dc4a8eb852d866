/* A ledger as such programs were written in 1994: it reads accounts and bookings, prints balances, and
 * loses memory in four ways. `scripts/demo` runs it under gleaner, which names all four. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct booking {
    struct booking *next;
    char *text;
    long cents;
};
struct account {
    struct account *next;
    char name[24];
    struct booking *bookings;
};
static struct account *accounts;

static struct account *find_account(const char *name) {
    struct account *a;
    for (a = accounts; a; a = a->next)
        if (!strcmp(a->name, name)) return a;
    a = calloc(1, sizeof *a);
    strncpy(a->name, name, sizeof a->name - 1);
    a->next = accounts;
    accounts = a;
    return a;
}

/* Leak 1: the line's own copy is never freed. */
static void book(const char *line) {
    char *copy = strdup(line), *name = strtok(copy, " "), *cents = strtok(NULL, " "), *text = strtok(NULL, "\n");
    if (!name || !cents || !text) return;
    struct booking *b = malloc(sizeof *b);
    b->text = strdup(text);
    b->cents = atol(cents);
    struct account *a = find_account(name);
    b->next = a->bookings;
    a->bookings = b;
}

/* Leak 2: the account goes, its bookings and their texts stay. */
static void close_account(const char *name) {
    struct account **at = &accounts, *gone;
    while (*at && strcmp((*at)->name, name)) at = &(*at)->next;
    if (!(gone = *at)) return;
    *at = gone->next;
    free(gone);
}

/* Leak 3: the old text is overwritten. */
static void correct(struct booking *b, const char *text) {
    b->text = malloc(strlen(text) + 1);
    strcpy(b->text, text);
}

/* Leak 4: on the early way out the report's buffer is forgotten. */
static long balance(struct account *a) {
    char *buffer = malloc(4096);
    long sum = 0;
    for (struct booking *b = a->bookings; b; b = b->next) sum += b->cents;
    if (sum < 0) return sum;
    snprintf(buffer, 4096, "%-10s %8.2f", a->name, sum / 100.0);
    puts(buffer);
    free(buffer);
    return sum;
}

int main(void) {
    static const char *lines[] = {"rent -90000 January", "wages 250000 January", "food -4350 market",
                                  "food -1280 baker",    "rent -90000 February", "gifts 5000 grandmother"};
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) book(lines[i]);
    correct(find_account("wages")->bookings, "January, with bonus");
    close_account("food");
    long total = 0;
    for (struct account *a = accounts; a; a = a->next) total += balance(a);
    printf("total %.2f\n", total / 100.0);
    while (accounts) {
        struct account *a = accounts;
        while (a->bookings) {
            struct booking *b = a->bookings;
            a->bookings = b->next;
            free(b->text);
            free(b);
        }
        accounts = a->next;
        free(a);
    }
    return 0;
}
