/* sql_lex.h - the words of an SQL92 expression.
 *
 * Blanks and comments are skipped: from "--" to the end of the line (there must be one), and
 * between the marks of C. Of several readings the longest counts: "1.e5" is one number, "0x1f" is 0
 * and a name. Pure functions; a token borrows the text.
 */
#ifndef FILTER_SQL_LEX_H
#define FILTER_SQL_LEX_H

#include "base/slice.h"

enum sql_token_kind {
    SQL_END,
    SQL_BAD, /* no word starts here; `why` says what is wrong */
    /* words, in any case */
    SQL_NOT,
    SQL_AND,
    SQL_OR,
    SQL_BETWEEN,
    SQL_IN,
    SQL_TRUE_WORD,
    SQL_FALSE_WORD,
    SQL_NULL_WORD,
    SQL_IS,
    SQL_CONTAINS,
    SQL_STARTSWITH,
    SQL_ENDSWITH,
    SQL_NAME,
    /* literals */
    SQL_WHOLE_NUMBER, /* 0, or digits that begin with another, and an optional L */
    SQL_REAL_NUMBER,
    SQL_STRING, /* with its quotes; a quote inside is written twice */
    /* marks */
    SQL_EQUAL,
    SQL_NOT_EQUAL,
    SQL_GREATER,
    SQL_GREATER_EQUAL,
    SQL_LESS,
    SQL_LESS_EQUAL,
    SQL_OPEN,
    SQL_COMMA,
    SQL_CLOSE,
    SQL_PLUS,
    SQL_MINUS,
};

struct sql_token {
    enum sql_token_kind kind;
    struct slice text;
    size_t bytes_left; /* from its first byte to the end of the expression */
    const char *why;   /* of SQL_BAD */
};

/* The words not read yet. */
struct sql_words {
    struct slice rest;
    size_t last_line_bytes; /* behind the last line end: where no line comment can end */
};
struct sql_words sql_words_of(struct slice expression);

/* Takes the next token. A bad one stays: it is the next one again. */
struct sql_token sql_next_token(struct sql_words *words);

#endif
