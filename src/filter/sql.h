/* sql.h - SQL92 subscriptions: "price > 5 AND region IN ('n', 's')" against a message's properties.
 *
 * The language is the reference's (its SelectorParser), with its quirks: docs/protocol/sql92.md. An
 * expression is compiled once into one block of memory without pointers in it, so that whoever
 * keeps it copies it, and is then evaluated against the values of the names it uses:
 *
 *     text ── sql_compile ──> struct sql_expr ── sql_name_index: which properties are wanted
 *                                             └─ sql_eval(values of these) ──> verdict
 *
 * Bounds     text, nodes, nesting and names as below. What is over a bound is refused as soon as it
 *            is seen. Evaluation looks at each node once at most and allocates nothing.
 * Ownership  an expression lives in the arena it was compiled or copied into and borrows nothing.
 * Threads    pure functions; an expression never changes, any thread may evaluate it.
 */
#ifndef FILTER_SQL_H
#define FILTER_SQL_H

#include "base/arena.h"
#include "base/err.h"

enum {
    SQL_TEXT_MAX = 65536, /* bytes of an expression */
    SQL_NODES_MAX = 4096, /* operators and operands; strings in an IN list do not count */
    SQL_DEPTH_MAX = 200,  /* operators around operators; AND and OR count once a chain */
    SQL_NAMES_MAX = 256,  /* different properties in one expression */
};

struct sql_expr;

/* The expression type of a subscription. */
bool expression_is_by_sql(struct slice type);

/* Why an expression was refused, and where. */
struct sql_error {
    int32_t line; /* from 1 on */
    int32_t column;
    char text[160]; /* "line 1, column 9: a string must follow CONTAINS" */
};

/* ERR_INVALID: *error says why. Nothing but *expr is left in the arena. */
MUST_CHECK int sql_compile(struct slice text, struct arena *arena, const struct sql_expr **expr,
                           struct sql_error *error);

/* The bytes of the block, for who bounds what it keeps. */
size_t sql_bytes(const struct sql_expr *expr);
const struct sql_expr *sql_copy(const struct sql_expr *expr, struct arena *arena);

/* The properties an expression asks for have numbers from 0 on. -1: it does not use this one. */
int sql_name_count(const struct sql_expr *expr);
int sql_name_index(const struct sql_expr *expr, struct slice name);

enum sql_verdict {
    SQL_FALSE,
    SQL_TRUE,
    SQL_UNKNOWN, /* null: the message does not match */
    SQL_FAILED,  /* a value that cannot be compared; the message does not match */
};

/* values[i] is the text of property i; data NULL: the message has none of that name. */
enum sql_verdict sql_eval(const struct sql_expr *expr, const struct slice *values);

#endif
