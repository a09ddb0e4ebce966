/* sql_tree.h - a compiled expression, as parser and evaluator share it.
 *
 *   | struct sql_expr | nodes | names, sorted | elements of IN lists | text |
 *
 * One block; everything refers to everything by index or position, so a copy of the bytes is a copy
 * of the expression.
 *
 * Threads    any number read an expression; nobody changes one.
 */
#ifndef FILTER_SQL_TREE_H
#define FILTER_SQL_TREE_H

#include <assert.h>

#include "filter/sql.h"

enum sql_kind {
    SQL_NODE_NULL,
    SQL_NODE_BOOL,
    SQL_NODE_INT,  /* a number literal that fits 32 bits; the width decides how text is read that */
    SQL_NODE_LONG, /* it is compared with */
    SQL_NODE_DOUBLE,
    SQL_NODE_STRING,
    SQL_NODE_NAME,
    SQL_NODE_NEGATE,
    SQL_NODE_TRUTH, /* a name where a truth value is wanted */
    SQL_NODE_NOT,
    SQL_NODE_AND, /* AND, OR: any number of operands, linked by `next` */
    SQL_NODE_OR,
    SQL_NODE_EQUAL,
    SQL_NODE_GREATER,
    SQL_NODE_GREATER_EQUAL,
    SQL_NODE_LESS,
    SQL_NODE_LESS_EQUAL,
    SQL_NODE_BETWEEN, /* operands: value, low, high, linked by `next` */
    SQL_NODE_NOT_BETWEEN,
    SQL_NODE_IN,
    SQL_NODE_NOT_IN,
    SQL_NODE_CONTAINS,
    SQL_NODE_NOT_CONTAINS,
    SQL_NODE_STARTS_WITH,
    SQL_NODE_NOT_STARTS_WITH,
    SQL_NODE_ENDS_WITH,
    SQL_NODE_NOT_ENDS_WITH,
};

/* A run of the block's text. */
struct sql_text {
    uint32_t pos;
    uint32_t bytes;
};

#define SQL_NO_NODE UINT16_MAX
static_assert(SQL_NODES_MAX < SQL_NO_NODE, "a node's number fits 16 bits");
static_assert(SQL_DEPTH_MAX < UINT8_MAX, "a depth fits 8 bits");

struct sql_node {
    uint8_t kind;   /* enum sql_kind */
    uint8_t depth;  /* operators from here down, at most SQL_DEPTH_MAX */
    uint16_t left;  /* first operand */
    uint16_t right; /* second operand; of AND and OR the last one */
    uint16_t next;  /* the operand after this one */
    union {
        bool truth;
        int64_t number;
        double real;
        struct sql_text text;
        uint32_t name;
        struct {
            uint32_t first;
            uint32_t count;
        } list; /* of elements, sorted, no two the same */
    };
};

struct sql_expr {
    uint32_t bytes;
    uint32_t names_at;
    uint32_t elements_at;
    uint32_t text_at;
    uint16_t node_count;
    uint16_t name_count;
    uint16_t root;
    struct sql_node nodes[];
};

static inline struct slice sql_slice(const struct sql_expr *expr, struct sql_text text)
{
    return slice_of((const uint8_t *)expr + expr->text_at + text.pos, text.bytes);
}

static inline const struct sql_text *sql_names(const struct sql_expr *expr)
{
    return (const void *)((const uint8_t *)expr + expr->names_at);
}

static inline const struct sql_text *sql_elements(const struct sql_expr *expr)
{
    return (const void *)((const uint8_t *)expr + expr->elements_at);
}

/* The order of names and elements: by length, then by bytes. */
static inline int sql_text_order(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len == 0 ? 0 : memcmp(a.data, b.data, a.len);
}

/* The place of `text` in a sorted run, or -1. */
static inline int sql_find(const struct sql_expr *expr, const struct sql_text *run, uint32_t count,
                           struct slice text)
{
    uint32_t low = 0;
    while (low < count) {
        uint32_t middle = low + (count - low) / 2;
        int order = sql_text_order(sql_slice(expr, run[middle]), text);
        if (order == 0)
            return (int)middle;
        if (order < 0)
            low = middle + 1;
        else
            count = middle;
    }
    return -1;
}

#endif
