/* sql_eval.c - a compiled expression against a message's properties.
 *
 * Three truth values: true, false, and null for what rests on a property that is not there. Values
 * have the types the reference's runtime gives them, since these decide how text is read: against a
 * literal of 32 bits "3000000000" is no number, and a value that is none makes the whole evaluation
 * fail, unless AND or OR had decided before. The tables of docs/protocol/sql92.md say it in full.
 */
#include <math.h>
#include <strings.h>

#include "filter/java_number.h"
#include "filter/sql_tree.h"

enum value_kind {
    VALUE_FAILED, /* the reference throws here */
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_LONG,
    VALUE_DOUBLE,
    VALUE_STRING,
};

struct value {
    enum value_kind kind;
    union {
        bool truth;
        int64_t number;
        double real;
        struct slice text;
    };
};

static struct value eval(const struct sql_expr *expr, const struct slice *values, uint16_t index);

static struct value failed_value(void)
{
    return (struct value){ .kind = VALUE_FAILED };
}

static struct value null_value(void)
{
    return (struct value){ .kind = VALUE_NULL };
}

static struct value truth_value(bool truth)
{
    return (struct value){ .kind = VALUE_BOOL, .truth = truth };
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* A total order: -0 is below 0, and NaN above everything and equal to itself. */
static int compare_reals(double a, double b)
{
    if (a < b)
        return -1;
    if (a > b)
        return 1;
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (signbit(b) != 0) - (signbit(a) != 0);
}

static bool is_number(enum value_kind kind)
{
    return kind == VALUE_INT || kind == VALUE_LONG || kind == VALUE_DOUBLE;
}

static double as_real(const struct value *v)
{
    return v->kind == VALUE_DOUBLE ? v->real : (double)v->number;
}

static int compare_numbers(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_DOUBLE || b->kind == VALUE_DOUBLE)
        return compare_reals(as_real(a), as_real(b));
    return (a->number > b->number) - (a->number < b->number);
}

/* Reads a text as a value of this kind. False: it is none. */
static bool read_text(struct slice text, enum value_kind kind, struct value *v)
{
    int32_t narrow = 0;
    bool is_ok = true;
    *v = (struct value){ .kind = kind };
    if (kind == VALUE_BOOL) {
        v->truth = text.len == 4 && strncasecmp((const char *)text.data, "true", 4) == 0;
    } else if (kind == VALUE_INT) {
        is_ok = java_to_i32(text, &narrow);
        v->number = narrow;
    } else if (kind == VALUE_LONG) {
        is_ok = java_to_i64(text, &v->number);
    } else {
        assert(kind == VALUE_DOUBLE);
        is_ok = java_to_double(text, &v->real);
    }
    return is_ok;
}

/* Neither is null. False: the reference throws. What has no common type counts as below. */
static bool compare(struct value a, struct value b, int *order)
{
    *order = -1;
    if (a.kind == VALUE_BOOL && b.kind == VALUE_STRING)
        return false; /* it reads the left value as text, which it is not */
    if (a.kind == VALUE_STRING && b.kind != VALUE_STRING) {
        if (!read_text(a.text, b.kind, &a))
            return false;
    } else if (b.kind == VALUE_STRING && a.kind != VALUE_STRING) {
        if (!read_text(b.text, a.kind, &b))
            return false;
    }
    if (is_number(a.kind) && is_number(b.kind))
        *order = compare_numbers(&a, &b);
    else if (a.kind == VALUE_BOOL && b.kind == VALUE_BOOL)
        *order = a.truth - b.truth;
    else if (a.kind == VALUE_STRING && b.kind == VALUE_STRING)
        *order = slice_order(a.text, b.text);
    return true;
}

/* Two texts are in order as the numbers they stand for. */
static bool compare_ordered(struct value a, struct value b, int *order)
{
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING &&
        (!read_text(a.text, VALUE_DOUBLE, &a) || !read_text(b.text, VALUE_DOUBLE, &b)))
        return false;
    return compare(a, b, order);
}

static bool holds(enum sql_kind kind, int order)
{
    if (kind == SQL_NODE_GREATER)
        return order > 0;
    if (kind == SQL_NODE_GREATER_EQUAL)
        return order >= 0;
    if (kind == SQL_NODE_LESS)
        return order < 0;
    assert(kind == SQL_NODE_LESS_EQUAL);
    return order <= 0;
}

/* `left` has a value; the right operand is not looked at when it is null. */
static struct value ordered(const struct sql_expr *expr, const struct slice *values,
                            enum sql_kind kind, struct value left, uint16_t right_index)
{
    if (left.kind == VALUE_FAILED || left.kind == VALUE_NULL)
        return left;
    struct value right = eval(expr, values, right_index);
    int order;
    if (right.kind == VALUE_FAILED || right.kind == VALUE_NULL)
        return right;
    return compare_ordered(left, right, &order) ? truth_value(holds(kind, order)) : failed_value();
}

static struct value equal(const struct sql_expr *expr, const struct slice *values,
                          const struct sql_node *node)
{
    struct value left = eval(expr, values, node->left);
    if (left.kind == VALUE_FAILED)
        return left;
    struct value right = eval(expr, values, node->right);
    int order;
    if (right.kind == VALUE_FAILED)
        return right;
    if (left.kind == VALUE_NULL)
        return right.kind == VALUE_NULL ? truth_value(true) : null_value();
    if (right.kind == VALUE_NULL)
        return truth_value(false);
    return compare(left, right, &order) ? truth_value(order == 0) : failed_value();
}

/* ---- logic --------------------------------------------------------------------------------- */

/* AND is decided by the first false, OR by the first true; else null stays when there was one. */
static bool decides(struct value v, bool deciding, bool *saw_null)
{
    *saw_null |= v.kind == VALUE_NULL;
    return v.kind == VALUE_FAILED || (v.kind == VALUE_BOOL && v.truth == deciding);
}

static struct value chain(const struct sql_expr *expr, const struct slice *values,
                          const struct sql_node *node)
{
    bool deciding = node->kind == SQL_NODE_OR;
    bool saw_null = false;
    for (uint16_t at = node->left; at != SQL_NO_NODE; at = expr->nodes[at].next) {
        struct value v = eval(expr, values, at);
        if (decides(v, deciding, &saw_null))
            return v;
    }
    return saw_null ? null_value() : truth_value(!deciding);
}

/* The AND of two comparisons, or the OR of their opposites. */
static struct value between(const struct sql_expr *expr, const struct slice *values,
                            const struct sql_node *node)
{
    bool is_not = node->kind == SQL_NODE_NOT_BETWEEN;
    bool saw_null = false;
    uint16_t low = expr->nodes[node->left].next;
    uint16_t high = expr->nodes[low].next;
    struct value value = eval(expr, values, node->left);
    struct value v =
        ordered(expr, values, is_not ? SQL_NODE_LESS : SQL_NODE_GREATER_EQUAL, value, low);
    if (decides(v, is_not, &saw_null))
        return v;
    v = ordered(expr, values, is_not ? SQL_NODE_GREATER : SQL_NODE_LESS_EQUAL, value, high);
    if (decides(v, is_not, &saw_null))
        return v;
    return saw_null ? null_value() : truth_value(!is_not);
}

static struct value negation(struct value v)
{
    if (v.kind == VALUE_BOOL)
        v.truth = !v.truth;
    return v;
}

/* A property is never a truth value, whatever its text. */
static struct value truth_of(struct value v)
{
    return v.kind == VALUE_NULL || v.kind == VALUE_FAILED ? v : truth_value(false);
}

static struct value negative(struct value v)
{
    if (v.kind == VALUE_FAILED || !is_number(v.kind))
        return v.kind == VALUE_FAILED ? v : null_value();
    if (v.kind == VALUE_DOUBLE)
        v.real = -v.real;
    else
        v.number = -v.number; /* literals are not below zero, so neither is the range's end */
    return v;
}

/* ---- texts --------------------------------------------------------------------------------- */

static struct value in_list(const struct sql_expr *expr, struct value v,
                            const struct sql_node *node)
{
    if (v.kind != VALUE_STRING)
        return v.kind == VALUE_FAILED ? v : null_value();
    const struct sql_text *run = sql_elements(expr) + node->list.first;
    bool is_in = sql_find(expr, run, node->list.count, v.text) >= 0;
    return truth_value(is_in == (node->kind == SQL_NODE_IN));
}

static bool is_found(enum sql_kind kind, struct slice text, struct slice wanted)
{
    if (kind == SQL_NODE_CONTAINS || kind == SQL_NODE_NOT_CONTAINS)
        return memmem(text.data, text.len, wanted.data, wanted.len) != NULL;
    if (kind == SQL_NODE_STARTS_WITH || kind == SQL_NODE_NOT_STARTS_WITH)
        return slice_starts_with(text, wanted);
    return text.len >= wanted.len && slice_eq(slice_from(text, text.len - wanted.len), wanted);
}

/* What is not there has no part, and lacks none either: false both ways. */
static struct value search(const struct sql_expr *expr, const struct slice *values,
                           const struct sql_node *node)
{
    struct slice wanted = sql_slice(expr, node->text);
    if (wanted.len == 0)
        return truth_value(false);
    struct value v = eval(expr, values, node->left);
    if (v.kind != VALUE_STRING)
        return v.kind == VALUE_FAILED ? v : truth_value(false);
    bool is_not = node->kind == SQL_NODE_NOT_CONTAINS || node->kind == SQL_NODE_NOT_STARTS_WITH ||
                  node->kind == SQL_NODE_NOT_ENDS_WITH;
    return truth_value(is_found(node->kind, v.text, wanted) != is_not);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static struct value property(struct slice text)
{
    return text.data == NULL ? null_value() : (struct value){ .kind = VALUE_STRING, .text = text };
}

static struct value number_value(const struct sql_node *node)
{
    return (struct value){ .kind = node->kind == SQL_NODE_INT ? VALUE_INT : VALUE_LONG,
                           .number = node->number };
}

static struct value eval(const struct sql_expr *expr, const struct slice *values, uint16_t index)
{
    assert(index < expr->node_count);
    const struct sql_node *node = &expr->nodes[index];
    switch ((enum sql_kind)node->kind) {
    case SQL_NODE_NULL:
        return null_value();
    case SQL_NODE_BOOL:
        return truth_value(node->truth);
    case SQL_NODE_INT:
    case SQL_NODE_LONG:
        return number_value(node);
    case SQL_NODE_DOUBLE:
        return (struct value){ .kind = VALUE_DOUBLE, .real = node->real };
    case SQL_NODE_STRING:
        return property(sql_slice(expr, node->text));
    case SQL_NODE_NAME:
        return property(values[node->name]);
    case SQL_NODE_NEGATE:
        return negative(eval(expr, values, node->left));
    case SQL_NODE_TRUTH:
        return truth_of(eval(expr, values, node->left));
    case SQL_NODE_NOT:
        return negation(eval(expr, values, node->left));
    case SQL_NODE_AND:
    case SQL_NODE_OR:
        return chain(expr, values, node);
    case SQL_NODE_EQUAL:
        return equal(expr, values, node);
    case SQL_NODE_GREATER:
    case SQL_NODE_GREATER_EQUAL:
    case SQL_NODE_LESS:
    case SQL_NODE_LESS_EQUAL:
        return ordered(expr, values, node->kind, eval(expr, values, node->left), node->right);
    case SQL_NODE_BETWEEN:
    case SQL_NODE_NOT_BETWEEN:
        return between(expr, values, node);
    case SQL_NODE_IN:
    case SQL_NODE_NOT_IN:
        return in_list(expr, eval(expr, values, node->left), node);
    case SQL_NODE_CONTAINS:
    case SQL_NODE_NOT_CONTAINS:
    case SQL_NODE_STARTS_WITH:
    case SQL_NODE_NOT_STARTS_WITH:
    case SQL_NODE_ENDS_WITH:
    case SQL_NODE_NOT_ENDS_WITH:
        return search(expr, values, node);
    }
    assert(!"a node of no kind");
    return failed_value();
}

enum sql_verdict sql_eval(const struct sql_expr *expr, const struct slice *values)
{
    struct value v = eval(expr, values, expr->root);
    if (v.kind == VALUE_BOOL)
        return v.truth ? SQL_TRUE : SQL_FALSE;
    assert(v.kind == VALUE_NULL || v.kind == VALUE_FAILED); /* the root is a truth value */
    return v.kind == VALUE_NULL ? SQL_UNKNOWN : SQL_FAILED;
}

/* ---- the block ----------------------------------------------------------------------------- */

size_t sql_bytes(const struct sql_expr *expr)
{
    return expr->bytes;
}

const struct sql_expr *sql_copy(const struct sql_expr *expr, struct arena *arena)
{
    return memcpy(arena_alloc(arena, expr->bytes), expr, expr->bytes);
}

int sql_name_count(const struct sql_expr *expr)
{
    return expr->name_count;
}

int sql_name_index(const struct sql_expr *expr, struct slice name)
{
    return sql_find(expr, sql_names(expr), expr->name_count, name);
}
