#include "base/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

enum { ROWS_MAX = 40, HELP_COLUMN = 20 };
enum { KEY_HELP = 0x100, KEY_ROW };

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
        snprintf(left, sizeof left, "--%s%s%s", row->name, has_value ? " " : "",
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
    fprintf(stderr, "ramjet %s: --%s takes a number from %lld to %lld, not \"%s\"\n", command,
            row->name, (long long)row->least, (long long)row->most, text);
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
    fprintf(stderr, "try `ramjet %s --help`\n", command);
    return 2;
}

int options_read(const struct options *o, int argc, char **argv, char ***words, int *word_count)
{
    struct option known[ROWS_MAX + 2] = { { "help", no_argument, NULL, KEY_HELP } };
    assert(o->row_count <= ROWS_MAX);
    for (int i = 0; i < o->row_count; i++)
        known[i + 1] =
            (struct option){ o->rows[i].name,
                             o->rows[i].value_name == NULL ? no_argument : required_argument, NULL,
                             KEY_ROW + i };
    int key;
    while ((key = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (key == 'h' || key == KEY_HELP) {
            print_help(o);
            return 0;
        }
        if (key < KEY_ROW || !take(o->command, &o->rows[key - KEY_ROW], optarg))
            return options_refuse(o->command);
    }
    *words = argv + optind;
    *word_count = argc - optind;
    if (*word_count >= o->least_words && *word_count <= o->most_words)
        return OPTIONS_GO_ON;
    if (*word_count < o->least_words)
        fprintf(stderr, "%.*s\n", (int)strcspn(o->about, "\n"), o->about); /* its first line */
    else
        fprintf(stderr, "ramjet %s: not expected: %s\n", o->command, (*words)[o->most_words]);
    return options_refuse(o->command);
}
