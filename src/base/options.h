/* options.h - the command line of a command, by a table: one row is what the parser takes, where
 * the value goes, and the line of --help.
 *
 *     const struct option_row rows[] = {
 *         OPTION_TEXT("tag", "TAG", "a tag that consumers can filter by", &sender.tag),
 *         OPTION_NUMBER("count", "N", "so many times", &count, 1, COUNT_MAX),
 *         OPTION_FLAG("quiet", "print a summary only", &sender.is_quiet),
 *     };
 *
 * An option whose name is one letter is given as -c. Of an option that is given twice the last
 * counts, but of OPTION_CALL, which is told each.
 *
 * Ownership  texts point into argv.
 * Errors     said on stderr; the exit code of a command that was called wrongly is 2.
 * Threads    the main thread.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
    OPTION_IS_FLAG,
    OPTION_IS_TEXT,
    OPTION_IS_NUMBER,
    OPTION_IS_INT,
    OPTION_IS_CALL
};

struct option_row {
    const char *name;
    const char *value_name; /* NULL: it takes none */
    const char *text;
    enum option_kind kind;
    /* bool, const char *, int64_t or int; left as it is when the option is not given. Of a call:
     * its ctx */
    void *value;
    int64_t least, most;
    bool (*take)(void *ctx, const char *argument); /* false: it said on stderr what is wrong */
};

#define OPTION_FLAG(name, text, value)                                                             \
    {                                                                                              \
        name, NULL, text, OPTION_IS_FLAG, value, 0, 0, NULL                                        \
    }
#define OPTION_TEXT(name, value_name, text, value)                                                 \
    {                                                                                              \
        name, value_name, text, OPTION_IS_TEXT, value, 0, 0, NULL                                  \
    }
#define OPTION_NUMBER(name, value_name, text, value, least, most)                                  \
    {                                                                                              \
        name, value_name, text, OPTION_IS_NUMBER, value, least, most, NULL                         \
    }
#define OPTION_INT(name, value_name, text, value, least, most)                                     \
    {                                                                                              \
        name, value_name, text, OPTION_IS_INT, value, least, most, NULL                            \
    }
#define OPTION_CALL(name, value_name, text, take, ctx)                                             \
    {                                                                                              \
        name, value_name, text, OPTION_IS_CALL, ctx, 0, 0, take                                    \
    }

struct options {
    const char *command; /* "send": begins each complaint; "": it is the program itself */
    const char *about;   /* --help up to the options */
    const struct option_row *rows;
    int row_count;
    const char *epilogue; /* --help behind them, or NULL */
    int least_words;      /* what is no option */
    int most_words;
    bool shows_values; /* --help tells the values as they are: the defaults */
};

enum { OPTIONS_GO_ON = -1 };

/* OPTIONS_GO_ON and the words, or the exit code: help was printed, or a complaint. `words` and
 * `word_count` may be NULL when there can be none. */
int options_read(const struct options *options, int argc, char **argv, char ***words,
                 int *word_count);
/* What to say last of a command that was called wrongly; the exit code. */
int options_refuse(const char *command);

#endif
