/* sql_build.h - puts a compiled expression together, node by node, and refuses what the reference's
 * type rules refuse.
 *
 * The parser asks for nodes bottom-up. The first thing that is wrong is kept; from then on every
 * call gives SQL_NO_NODE, so that the parser need not look at each step.
 *
 * Ownership  what is built lies in the scratch arena until sql_build_finish() makes a block of it.
 * Threads    any, one for each expression that is built.
 */
#ifndef FILTER_SQL_BUILD_H
#define FILTER_SQL_BUILD_H

#include "filter/sql_lex.h"
#include "filter/sql_tree.h"

struct sql_build {
    struct slice source;
    struct arena *scratch;
    struct sql_error *error;
    bool is_failed;
    struct sql_node *nodes;
    uint32_t node_cap;
    uint32_t node_count;
    struct sql_text *names;
    uint32_t name_count;
    struct sql_text *elements;
    uint32_t element_count;
    uint8_t *text;
    uint32_t text_bytes;
};

void sql_build_init(struct sql_build *b, struct slice source, struct arena *scratch,
                    struct sql_error *error);

/* Records what is wrong at a token, unless something was before. */
void sql_build_fail(struct sql_build *b, const struct sql_token *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `at` is the token that errors point at. */
uint16_t sql_build_leaf(struct sql_build *b, const struct sql_token *literal_or_name);
uint16_t sql_build_unary(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                         uint16_t operand);
/* AND, OR and the comparisons. */
uint16_t sql_build_binary(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                          uint16_t left, uint16_t right);
/* One more operand for the AND or OR that sql_build_binary() made. */
uint16_t sql_build_append(struct sql_build *b, const struct sql_token *at, uint16_t chain,
                          uint16_t operand);
uint16_t sql_build_between(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                           uint16_t value, uint16_t low, uint16_t high);
uint16_t sql_build_is_null(struct sql_build *b, const struct sql_token *at, uint16_t operand);
/* CONTAINS and its like; `string` is a token of that kind. */
uint16_t sql_build_search(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                          uint16_t operand, const struct sql_token *string);
/* IN: begun, then an element at a time. */
uint16_t sql_build_list(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                        uint16_t operand);
void sql_build_element(struct sql_build *b, uint16_t list, const struct sql_token *string);
void sql_build_list_end(struct sql_build *b, uint16_t list);

/* The node as a truth value; what cannot be one is refused. */
uint16_t sql_build_truth(struct sql_build *b, const struct sql_token *at, uint16_t node);

/* The block, in `arena`. NULL: something was refused. */
const struct sql_expr *sql_build_finish(struct sql_build *b, uint16_t root, struct arena *arena);

#endif
