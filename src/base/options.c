#include "base/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

enum { ROWS_MAX = 40, HELP_COLUMN = 20 };
enum { KEY_HELP = 0x100, KEY_ROW };

/* What getopt_long() is told: a name of one letter is one of its short ones. */
struct known {
    struct option names[ROWS_MAX + 2];
    char letters[2 * ROWS_MAX + 2];
};

static bool is_letter(const struct option_row *row)
{
    return row->name[1] == '\0';
}

/* Begins a complaint: "ramjet send: ", or "ramjet: " when it is of no command. */
static void complain(const char *command)
{
    fprintf(stderr, "ramjet%s%s: ", command[0] == '\0' ? "" : " ", command);
}

static const char *dashes(const struct option_row *row)
{
    return is_letter(row) ? "-" : "--";
}

/* " (3)" */
static void print_value(const struct option_row *row)
{
    const char *text = row->kind == OPTION_IS_TEXT ? *(const char **)row->value : NULL;
    if (row->kind == OPTION_IS_NUMBER)
        printf(" (%lld)", (long long)*(int64_t *)row->value);
    else if (row->kind == OPTION_IS_INT)
        printf(" (%d)", *(int *)row->value);
    else if (text != NULL && text[0] != '\0')
        printf(" (%s)", text);
}

static void print_help(const struct options *o)
{
    char left[64];
    fputs(o->about, stdout);
    for (int i = 0; i < o->row_count; i++) {
        const struct option_row *row = &o->rows[i];
        bool has_value = row->value_name != NULL;
        snprintf(left, sizeof left, "%s%s%s%s", dashes(row), row->name, has_value ? " " : "",
                 has_value ? row->value_name : "");
        printf("  %-*s%s", HELP_COLUMN, left, row->text);
        if (o->shows_values)
            print_value(row);
        printf("\n");
    }
    if (o->epilogue != NULL)
        fputs(o->epilogue, stdout);
}

static bool take_number(const char *command, const struct option_row *row, const char *text)
{
    int64_t number;
    assert(row->kind != OPTION_IS_INT || (row->least >= INT32_MIN && row->most <= INT32_MAX));
    if (slice_to_i64(slice_str(text), &number) && number >= row->least && number <= row->most) {
        if (row->kind == OPTION_IS_INT)
            *(int *)row->value = (int)number;
        else
            *(int64_t *)row->value = number;
        return true;
    }
    complain(command);
    fprintf(stderr, "%s%s takes a number from %lld to %lld, not \"%s\"\n", dashes(row), row->name,
            (long long)row->least, (long long)row->most, text);
    return false;
}

static bool take(const char *command, const struct option_row *row, const char *argument)
{
    switch (row->kind) {
    case OPTION_IS_FLAG:
        *(bool *)row->value = true;
        return true;
    case OPTION_IS_TEXT:
        *(const char **)row->value = argument;
        return true;
    case OPTION_IS_NUMBER:
    case OPTION_IS_INT:
        return take_number(command, row, argument);
    case OPTION_IS_CALL:
        return row->take(row->value, argument);
    }
    return false;
}

int options_refuse(const char *command)
{
    if (command[0] == '\0')
        fprintf(stderr, "try `ramjet -h`\n"); /* --help alone is about all commands */
    else
        fprintf(stderr, "try `ramjet %s --help`\n", command);
    return 2;
}

static void make_known(const struct options *o, struct known *known)
{
    struct option *name = known->names;
    char *letter = known->letters;
    assert(o->row_count <= ROWS_MAX);
    *known = (struct known){ .letters = "" };
    *letter++ = 'h';
    *name++ = (struct option){ "help", no_argument, NULL, KEY_HELP };
    for (int i = 0; i < o->row_count; i++) {
        const struct option_row *row = &o->rows[i];
        bool has_value = row->value_name != NULL;
        if (is_letter(row))
            letter = stpcpy(stpcpy(letter, row->name), has_value ? ":" : "");
        else
            *name++ = (struct option){ row->name, has_value, NULL, KEY_ROW + i };
    }
    assert(name < known->names + ROWS_MAX + 2);
    assert(letter < known->letters + sizeof known->letters);
}

/* The row of what getopt_long() found; NULL: it said what is wrong. */
static const struct option_row *row_of(const struct options *o, int key)
{
    if (key >= KEY_ROW)
        return &o->rows[key - KEY_ROW];
    for (int i = 0; i < o->row_count; i++)
        if (is_letter(&o->rows[i]) && o->rows[i].name[0] == key)
            return &o->rows[i];
    return NULL;
}

int options_read(const struct options *o, int argc, char **argv, char ***words, int *word_count)
{
    struct known known;
    int key;
    make_known(o, &known);
    while ((key = getopt_long(argc, argv, known.letters, known.names, NULL)) != -1) {
        if (key == 'h' || key == KEY_HELP) {
            print_help(o);
            return 0;
        }
        const struct option_row *row = row_of(o, key);
        if (row == NULL || !take(o->command, row, optarg))
            return options_refuse(o->command);
    }
    char **rest = argv + optind;
    int count = argc - optind;
    assert(words != NULL || o->most_words == 0);
    if (words != NULL) {
        *words = rest;
        *word_count = count;
    }
    if (count >= o->least_words && count <= o->most_words)
        return OPTIONS_GO_ON;
    if (count < o->least_words) {
        fprintf(stderr, "%.*s\n", (int)strcspn(o->about, "\n"), o->about); /* its first line */
    } else {
        complain(o->command);
        fprintf(stderr, "not expected: %s\n", rest[o->most_words]);
    }
    return options_refuse(o->command);
}
