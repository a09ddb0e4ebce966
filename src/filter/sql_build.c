#include "filter/sql_build.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter/java_number.h"

/* ---- errors -------------------------------------------------------------------------------- */

/* Lines and columns count characters, from 1 on. */
static void locate(struct slice before, int32_t *line, int32_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < before.len; i++) {
        if (before.data[i] == '\n') {
            ++*line;
            *column = 1;
        } else if ((before.data[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

void sql_build_fail(struct sql_build *b, const struct sql_token *at, const char *format, ...)
{
    if (b->is_failed)
        return;
    b->is_failed = true;
    struct sql_error *e = b->error;
    assert(at->bytes_left <= b->source.len);
    locate(slice_of(b->source.data, b->source.len - at->bytes_left), &e->line, &e->column);
    int used = snprintf(e->text, sizeof e->text, "line %d, column %d: ", e->line, e->column);
    assert(used > 0 && (size_t)used < sizeof e->text);
    va_list args;
    va_start(args, format);
    vsnprintf(e->text + used, sizeof e->text - (size_t)used, format, args);
    va_end(args);
}

/* ---- nodes --------------------------------------------------------------------------------- */

void sql_build_init(struct sql_build *b, struct slice source, struct arena *scratch,
                    struct sql_error *error)
{
    *b = (struct sql_build){ .source = source, .scratch = scratch, .error = error };
    /* a character makes two nodes at most ("<>", or a name that is a truth value), an element takes
     * three ("'',") */
    size_t nodes = source.len * 2 + 2;
    b->node_cap = nodes < SQL_NODES_MAX ? (uint32_t)nodes : SQL_NODES_MAX;
    b->nodes = arena_alloc(scratch, b->node_cap * sizeof *b->nodes);
    size_t names = source.len + 1;
    b->names =
        arena_alloc(scratch, (names < SQL_NAMES_MAX ? names : SQL_NAMES_MAX) * sizeof *b->names);
    b->elements = arena_alloc(scratch, (source.len / 2 + 1) * sizeof *b->elements);
    b->text = arena_alloc(scratch, source.len + 1);
}

static bool is_node(uint16_t index)
{
    return index != SQL_NO_NODE;
}

static uint16_t depth_of(const struct sql_build *b, uint16_t index)
{
    return is_node(index) ? b->nodes[index].depth : 0;
}

/* Room for a node above these. */
static uint16_t add_node(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                         uint16_t left, uint16_t right)
{
    uint16_t left_depth = depth_of(b, left);
    uint16_t right_depth = depth_of(b, right);
    int depth = 1 + (left_depth > right_depth ? left_depth : right_depth);
    if (depth > SQL_DEPTH_MAX)
        sql_build_fail(b, at, "nested deeper than %d", SQL_DEPTH_MAX);
    else if (b->node_count == SQL_NODES_MAX)
        sql_build_fail(b, at, "more than %d operators and operands", SQL_NODES_MAX);
    if (b->is_failed)
        return SQL_NO_NODE;
    assert(b->node_count < b->node_cap);
    b->nodes[b->node_count] = (struct sql_node){ .kind = (uint8_t)kind,
                                                 .depth = (uint8_t)depth,
                                                 .left = left,
                                                 .right = right,
                                                 .next = SQL_NO_NODE };
    return (uint16_t)b->node_count++;
}

static struct sql_text add_text(struct sql_build *b, struct slice s)
{
    struct sql_text text = { b->text_bytes, (uint32_t)s.len };
    assert(b->text_bytes + s.len <= b->source.len);
    if (s.len > 0)
        memcpy(b->text + b->text_bytes, s.data, s.len);
    b->text_bytes += (uint32_t)s.len;
    return text;
}

static struct slice text_slice(const struct sql_build *b, struct sql_text text)
{
    return slice_of(b->text + text.pos, text.bytes);
}

/* What stands between the quotes, with each doubled quote once. */
static struct sql_text add_string(struct sql_build *b, const struct sql_token *string)
{
    struct slice image = string->text;
    struct sql_text text = { b->text_bytes, 0 };
    assert(image.len >= 2 && image.data[0] == '\'');
    for (size_t i = 1; i < image.len - 1; i++) {
        b->text[b->text_bytes++] = image.data[i];
        if (image.data[i] == '\'')
            i++;
    }
    text.bytes = b->text_bytes - text.pos;
    assert(b->text_bytes <= b->source.len);
    return text;
}

static uint32_t name_number(struct sql_build *b, const struct sql_token *name)
{
    for (uint32_t i = 0; i < b->name_count; i++)
        if (slice_eq(text_slice(b, b->names[i]), name->text))
            return i;
    if (b->name_count == SQL_NAMES_MAX) {
        sql_build_fail(b, name, "more than %d different properties", SQL_NAMES_MAX);
        return 0;
    }
    b->names[b->name_count] = add_text(b, name->text);
    return b->name_count++;
}

static void set_whole_number(struct sql_build *b, struct sql_node *node,
                             const struct sql_token *token)
{
    struct slice digits = token->text;
    if ((digits.data[digits.len - 1] | 0x20) == 'l')
        digits.len--;
    if (!java_to_i64(digits, &node->number))
        sql_build_fail(b, token, "a number above 9223372036854775807");
    else if (node->number > INT32_MAX)
        node->kind = SQL_NODE_LONG;
}

static void set_real_number(struct sql_build *b, struct sql_node *node,
                            const struct sql_token *token)
{
    bool is_number = java_to_double(token->text, &node->real);
    assert(is_number);
    if (isinf(node->real) || node->real == 0)
        sql_build_fail(b, token, "a fraction must be within 4.9E-324 and 1.7976931348623157E308");
}

uint16_t sql_build_leaf(struct sql_build *b, const struct sql_token *token)
{
    uint16_t index = add_node(b, token, SQL_NODE_NULL, SQL_NO_NODE, SQL_NO_NODE);
    if (!is_node(index))
        return index;
    struct sql_node *node = &b->nodes[index];
    node->depth = 0;
    if (token->kind == SQL_NAME) {
        node->kind = SQL_NODE_NAME;
        node->name = name_number(b, token);
    } else if (token->kind == SQL_STRING) {
        node->kind = SQL_NODE_STRING;
        node->text = add_string(b, token);
    } else if (token->kind == SQL_WHOLE_NUMBER) {
        node->kind = SQL_NODE_INT;
        set_whole_number(b, node, token);
    } else if (token->kind == SQL_REAL_NUMBER) {
        node->kind = SQL_NODE_DOUBLE;
        set_real_number(b, node, token);
    } else if (token->kind != SQL_NULL_WORD) {
        assert(token->kind == SQL_TRUE_WORD || token->kind == SQL_FALSE_WORD);
        node->kind = SQL_NODE_BOOL;
        node->truth = token->kind == SQL_TRUE_WORD;
    }
    return b->is_failed ? SQL_NO_NODE : index;
}

/* ---- type rules ---------------------------------------------------------------------------- */

static bool is_number_kind(enum sql_kind kind)
{
    return kind == SQL_NODE_INT || kind == SQL_NODE_LONG || kind == SQL_NODE_DOUBLE;
}

static bool is_constant_kind(enum sql_kind kind)
{
    return kind <= SQL_NODE_STRING;
}

/* NULL, TRUE and FALSE are constants and truth values both. */
static bool is_truth_kind(enum sql_kind kind)
{
    return kind == SQL_NODE_NULL || kind == SQL_NODE_BOOL || kind >= SQL_NODE_TRUTH;
}

static enum sql_kind kind_of(const struct sql_build *b, uint16_t index)
{
    return b->nodes[index].kind;
}

static void check_ordered(struct sql_build *b, const struct sql_token *at, uint16_t index)
{
    enum sql_kind kind = kind_of(b, index);
    if (kind == SQL_NODE_STRING || is_truth_kind(kind))
        sql_build_fail(b, at, "only numbers and properties have an order");
}

static void check_equal(struct sql_build *b, const struct sql_token *at, uint16_t left,
                        uint16_t right)
{
    enum sql_kind left_kind = kind_of(b, left);
    enum sql_kind right_kind = kind_of(b, right);
    if (left_kind == SQL_NODE_NULL || right_kind == SQL_NODE_NULL)
        sql_build_fail(b, at, "nothing equals NULL; IS NULL asks for it");
    else if (left_kind == SQL_NODE_BOOL && is_constant_kind(right_kind) &&
             !is_truth_kind(right_kind))
        sql_build_fail(b, at, "a truth value is compared with something else");
}

static double as_real(const struct sql_node *n)
{
    return n->kind == SQL_NODE_DOUBLE ? n->real : (double)n->number;
}

/* Whole numbers are compared as such, others as fractions. */
static bool is_below(const struct sql_node *a, const struct sql_node *b)
{
    if (a->kind != SQL_NODE_DOUBLE && b->kind != SQL_NODE_DOUBLE)
        return a->number < b->number;
    return as_real(a) < as_real(b);
}

uint16_t sql_build_truth(struct sql_build *b, const struct sql_token *at, uint16_t node)
{
    if (b->is_failed)
        return SQL_NO_NODE;
    if (kind_of(b, node) == SQL_NODE_NAME)
        return add_node(b, at, SQL_NODE_TRUTH, node, SQL_NO_NODE);
    if (!is_truth_kind(kind_of(b, node)))
        sql_build_fail(b, at, "a truth value is wanted, not a number or a string");
    return b->is_failed ? SQL_NO_NODE : node;
}

/* ---- operators ----------------------------------------------------------------------------- */

uint16_t sql_build_unary(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                         uint16_t operand)
{
    return b->is_failed ? SQL_NO_NODE : add_node(b, at, kind, operand, SQL_NO_NODE);
}

uint16_t sql_build_binary(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                          uint16_t left, uint16_t right)
{
    if (b->is_failed)
        return SQL_NO_NODE;
    if (kind == SQL_NODE_EQUAL) {
        check_equal(b, at, left, right);
    } else if (kind == SQL_NODE_AND || kind == SQL_NODE_OR) {
        b->nodes[left].next = right;
    } else {
        check_ordered(b, at, left);
        check_ordered(b, at, right);
    }
    return b->is_failed ? SQL_NO_NODE : add_node(b, at, kind, left, right);
}

uint16_t sql_build_append(struct sql_build *b, const struct sql_token *at, uint16_t chain,
                          uint16_t operand)
{
    if (b->is_failed)
        return SQL_NO_NODE;
    struct sql_node *node = &b->nodes[chain];
    assert(node->kind == SQL_NODE_AND || node->kind == SQL_NODE_OR);
    b->nodes[node->right].next = operand;
    node->right = operand;
    uint16_t depth = (uint16_t)(depth_of(b, operand) + 1);
    if (depth > SQL_DEPTH_MAX)
        sql_build_fail(b, at, "nested deeper than %d", SQL_DEPTH_MAX);
    else if (depth > node->depth)
        node->depth = (uint8_t)depth;
    return b->is_failed ? SQL_NO_NODE : chain;
}

uint16_t sql_build_between(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                           uint16_t value, uint16_t low, uint16_t high)
{
    if (b->is_failed)
        return SQL_NO_NODE;
    check_ordered(b, at, value);
    check_ordered(b, at, low);
    check_ordered(b, at, high);
    if (kind == SQL_NODE_BETWEEN && is_number_kind(kind_of(b, low)) &&
        is_number_kind(kind_of(b, high)) && is_below(&b->nodes[high], &b->nodes[low]))
        sql_build_fail(b, at, "the lower bound is above the upper one");
    if (b->is_failed)
        return SQL_NO_NODE;
    b->nodes[value].next = low;
    b->nodes[low].next = high;
    uint16_t deepest = depth_of(b, low) > depth_of(b, high) ? low : high;
    return add_node(b, at, kind, value, deepest);
}

uint16_t sql_build_is_null(struct sql_build *b, const struct sql_token *at, uint16_t operand)
{
    if (b->is_failed)
        return SQL_NO_NODE;
    uint16_t null = add_node(b, at, SQL_NODE_NULL, SQL_NO_NODE, SQL_NO_NODE);
    if (!is_node(null))
        return null;
    b->nodes[null].depth = 0;
    return add_node(b, at, SQL_NODE_EQUAL, operand, null);
}

uint16_t sql_build_search(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                          uint16_t operand, const struct sql_token *string)
{
    if (b->is_failed)
        return SQL_NO_NODE;
    uint16_t index = add_node(b, at, kind, operand, SQL_NO_NODE);
    if (is_node(index))
        b->nodes[index].text = add_string(b, string);
    return index;
}

uint16_t sql_build_list(struct sql_build *b, const struct sql_token *at, enum sql_kind kind,
                        uint16_t operand)
{
    if (!b->is_failed && kind_of(b, operand) != SQL_NODE_NAME)
        sql_build_fail(b, at, "IN wants a property on its left");
    if (b->is_failed)
        return SQL_NO_NODE;
    uint16_t index = add_node(b, at, kind, operand, SQL_NO_NODE);
    if (is_node(index)) {
        b->nodes[index].list.first = b->element_count;
        b->nodes[index].list.count = 0;
    }
    return index;
}

void sql_build_element(struct sql_build *b, uint16_t list, const struct sql_token *string)
{
    if (b->is_failed)
        return;
    assert(b->element_count < b->source.len / 2 + 1);
    b->elements[b->element_count++] = add_string(b, string);
    b->nodes[list].list.count++;
}

/* ---- sorting ------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b, void *text)
{
    const struct sql_text *left = a;
    const struct sql_text *right = b;
    return sql_text_order(slice_of((uint8_t *)text + left->pos, left->bytes),
                          slice_of((uint8_t *)text + right->pos, right->bytes));
}

void sql_build_list_end(struct sql_build *b, uint16_t list)
{
    if (b->is_failed)
        return;
    struct sql_node *node = &b->nodes[list];
    struct sql_text *run = b->elements + node->list.first;
    qsort_r(run, node->list.count, sizeof *run, compare_texts, b->text);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < node->list.count; i++)
        if (compare_texts(&run[kept - 1], &run[i], b->text) != 0)
            run[kept++] = run[i];
    node->list.count = kept;
    b->element_count = node->list.first + kept;
}

/* Numbers the names anew, in sorted order. */
static void sort_names(struct sql_build *b)
{
    struct sql_text *before = arena_alloc(b->scratch, (b->name_count + 1) * sizeof *before);
    uint32_t *moved_to = arena_alloc(b->scratch, (b->name_count + 1) * sizeof *moved_to);
    memcpy(before, b->names, b->name_count * sizeof *before);
    qsort_r(b->names, b->name_count, sizeof *b->names, compare_texts, b->text);
    for (uint32_t old = 0; old < b->name_count; old++)
        for (uint32_t new = 0; new < b->name_count; new ++)
            if (b->names[new].pos == before[old].pos)
                moved_to[old] = new;
    for (uint32_t i = 0; i < b->node_count; i++)
        if (b->nodes[i].kind == SQL_NODE_NAME)
            b->nodes[i].name = moved_to[b->nodes[i].name];
}

const struct sql_expr *sql_build_finish(struct sql_build *b, uint16_t root, struct arena *arena)
{
    if (b->is_failed)
        return NULL;
    assert(root < b->node_count);
    sort_names(b);
    size_t names_at = sizeof(struct sql_expr) + b->node_count * sizeof *b->nodes;
    size_t elements_at = names_at + b->name_count * sizeof *b->names;
    size_t text_at = elements_at + b->element_count * sizeof *b->elements;
    size_t bytes = text_at + b->text_bytes;
    struct sql_expr *expr = arena_alloc(arena, bytes);
    *expr = (struct sql_expr){
        .bytes = (uint32_t)bytes,
        .names_at = (uint32_t)names_at,
        .elements_at = (uint32_t)elements_at,
        .text_at = (uint32_t)text_at,
        .node_count = (uint16_t)b->node_count,
        .name_count = (uint16_t)b->name_count,
        .root = root,
    };
    uint8_t *base = (uint8_t *)expr;
    memcpy(expr->nodes, b->nodes, b->node_count * sizeof *b->nodes);
    memcpy(base + names_at, b->names, b->name_count * sizeof *b->names);
    memcpy(base + elements_at, b->elements, b->element_count * sizeof *b->elements);
    memcpy(base + text_at, b->text, b->text_bytes);
    return expr;
}
