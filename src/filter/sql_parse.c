/* sql_parse.c - the grammar of SQL92 subscriptions, by recursive descent:
 *
 *   or         = and { OR and }
 *   and        = equality { AND equality }
 *   equality   = comparison { ( "=" | "<>" ) comparison | IS [ NOT ] NULL }
 *   comparison = unary { ( ">" | ">=" | "<" | "<=" ) unary
 *                      | [ NOT ] ( CONTAINS | STARTSWITH | ENDSWITH ) string
 *                      | [ NOT ] BETWEEN unary AND unary
 *                      | [ NOT ] IN "(" string { "," string } ")" }
 *   unary      = { "+" | "-" | NOT } primary
 *   primary    = literal | name | "(" or ")"
 *
 * So NOT binds closer than "=", and an expression ends where it can: of what follows one word is
 * looked at, as in the reference, and only one that cannot be read is an error.
 */
#include <stdio.h>

#include "filter/sql_build.h"

struct parser {
    struct sql_words words;
    struct sql_token token; /* the one that is looked at */
    struct sql_build build;
    int depth; /* of parentheses and signs; the stack grows with it */
};

static uint16_t parse_or(struct parser *p);

static enum sql_token_kind looked_at(const struct parser *p)
{
    return p->build.is_failed ? SQL_END : p->token.kind;
}

static struct sql_token advance(struct parser *p)
{
    struct sql_token taken = p->token;
    if (taken.kind != SQL_BAD)
        p->token = sql_next_token(&p->words);
    return taken;
}

enum { SAMPLE_BYTES = 32 };

/* The word, short enough to be shown: whole characters, on one line. */
static void sample_of(struct slice word, char sample[SAMPLE_BYTES + 1])
{
    size_t len = word.len < SAMPLE_BYTES ? word.len : SAMPLE_BYTES;
    while (len > 0 && len < word.len && (word.data[len] & 0xc0) == 0x80)
        len--;
    for (size_t i = 0; i < len; i++)
        sample[i] = word.data[i] < ' ' ? ' ' : (char)word.data[i];
    sample[len] = '\0';
}

static void refuse(struct parser *p, const char *wanted)
{
    const struct sql_token *t = &p->token;
    char sample[SAMPLE_BYTES + 1];
    sample_of(t->text, sample);
    if (t->kind == SQL_BAD)
        sql_build_fail(&p->build, t, "%s", t->why);
    else if (t->kind == SQL_END)
        sql_build_fail(&p->build, t, "%s is missing at the end", wanted);
    else
        sql_build_fail(&p->build, t, "%s is wanted, not %s", wanted, sample);
}

static struct sql_token expect(struct parser *p, enum sql_token_kind kind, const char *wanted)
{
    if (looked_at(p) != kind)
        refuse(p, wanted);
    return p->build.is_failed ? p->token : advance(p);
}

/* ---- primary, unary ------------------------------------------------------------------------ */

static bool is_leaf(enum sql_token_kind kind)
{
    return kind == SQL_NAME || kind == SQL_STRING || kind == SQL_WHOLE_NUMBER ||
           kind == SQL_REAL_NUMBER || kind == SQL_TRUE_WORD || kind == SQL_FALSE_WORD ||
           kind == SQL_NULL_WORD;
}

static uint16_t parse_primary(struct parser *p)
{
    if (is_leaf(looked_at(p))) {
        struct sql_token leaf = advance(p);
        return sql_build_leaf(&p->build, &leaf);
    }
    if (looked_at(p) != SQL_OPEN) {
        refuse(p, "a value");
        return SQL_NO_NODE;
    }
    advance(p);
    uint16_t inner = parse_or(p);
    expect(p, SQL_CLOSE, "a closing parenthesis");
    return inner;
}

static uint16_t parse_unary(struct parser *p)
{
    struct sql_token at = p->token;
    uint16_t node;
    if (++p->depth > SQL_DEPTH_MAX)
        sql_build_fail(&p->build, &at, "nested deeper than %d", SQL_DEPTH_MAX);
    if (looked_at(p) == SQL_PLUS) {
        advance(p);
        node = parse_unary(p);
    } else if (looked_at(p) == SQL_MINUS) {
        advance(p);
        node = sql_build_unary(&p->build, &at, SQL_NODE_NEGATE, parse_unary(p));
    } else if (looked_at(p) == SQL_NOT) {
        advance(p);
        node = sql_build_truth(&p->build, &at, parse_unary(p));
        node = sql_build_unary(&p->build, &at, SQL_NODE_NOT, node);
    } else {
        node = parse_primary(p);
    }
    p->depth--;
    return node;
}

/* ---- comparison ---------------------------------------------------------------------------- */

static const struct {
    enum sql_token_kind token;
    enum sql_kind node;
} comparisons[] = {
    { SQL_GREATER, SQL_NODE_GREATER },
    { SQL_GREATER_EQUAL, SQL_NODE_GREATER_EQUAL },
    { SQL_LESS, SQL_NODE_LESS },
    { SQL_LESS_EQUAL, SQL_NODE_LESS_EQUAL },
};

/* The kind of node a comparison's mark makes; SQL_NODE_NULL: the token is none. */
static enum sql_kind comparison_of(enum sql_token_kind token)
{
    for (size_t i = 0; i < sizeof comparisons / sizeof comparisons[0]; i++)
        if (comparisons[i].token == token)
            return comparisons[i].node;
    return SQL_NODE_NULL;
}

static uint16_t parse_between(struct parser *p, const struct sql_token *at, enum sql_kind kind,
                              uint16_t value)
{
    uint16_t low = parse_unary(p);
    expect(p, SQL_AND, "AND");
    uint16_t high = parse_unary(p);
    return sql_build_between(&p->build, at, kind, value, low, high);
}

static uint16_t parse_list(struct parser *p, const struct sql_token *at, enum sql_kind kind,
                           uint16_t operand)
{
    uint16_t list = sql_build_list(&p->build, at, kind, operand);
    expect(p, SQL_OPEN, "an opening parenthesis");
    struct sql_token element = expect(p, SQL_STRING, "a string");
    sql_build_element(&p->build, list, &element);
    while (looked_at(p) == SQL_COMMA) {
        advance(p);
        element = expect(p, SQL_STRING, "a string");
        sql_build_element(&p->build, list, &element);
    }
    expect(p, SQL_CLOSE, "a closing parenthesis");
    sql_build_list_end(&p->build, list);
    return list;
}

static uint16_t parse_search(struct parser *p, const struct sql_token *at, enum sql_kind kind,
                             uint16_t operand)
{
    struct sql_token string = expect(p, SQL_STRING, "a string");
    return sql_build_search(&p->build, at, kind, operand, &string);
}

/* The operators that are words, and what they make alone and behind NOT. */
static const struct {
    enum sql_token_kind token;
    enum sql_kind node;
    enum sql_kind opposite;
    uint16_t (*parse)(struct parser *p, const struct sql_token *at, enum sql_kind kind,
                      uint16_t left);
} worded[] = {
    { SQL_CONTAINS, SQL_NODE_CONTAINS, SQL_NODE_NOT_CONTAINS, parse_search },
    { SQL_STARTSWITH, SQL_NODE_STARTS_WITH, SQL_NODE_NOT_STARTS_WITH, parse_search },
    { SQL_ENDSWITH, SQL_NODE_ENDS_WITH, SQL_NODE_NOT_ENDS_WITH, parse_search },
    { SQL_BETWEEN, SQL_NODE_BETWEEN, SQL_NODE_NOT_BETWEEN, parse_between },
    { SQL_IN, SQL_NODE_IN, SQL_NODE_NOT_IN, parse_list },
};
enum { WORDED_COUNT = sizeof worded / sizeof worded[0] };

/* The row of a token, WORDED_COUNT when it has none. */
static size_t worded_of(enum sql_token_kind token)
{
    size_t i = 0;
    while (i < WORDED_COUNT && worded[i].token != token)
        i++;
    return i;
}

/* NOT, if there was one, is taken already. */
static uint16_t parse_worded(struct parser *p, bool is_not, uint16_t left)
{
    size_t row = worded_of(looked_at(p));
    if (row == WORDED_COUNT) {
        refuse(p, "CONTAINS, STARTSWITH, ENDSWITH, BETWEEN or IN");
        return SQL_NO_NODE;
    }
    struct sql_token at = advance(p);
    return worded[row].parse(p, &at, is_not ? worded[row].opposite : worded[row].node, left);
}

static uint16_t parse_comparison(struct parser *p)
{
    uint16_t left = parse_unary(p);
    for (;;) {
        struct sql_token at = p->token;
        enum sql_token_kind kind = looked_at(p);
        enum sql_kind comparison = comparison_of(kind);
        if (comparison != SQL_NODE_NULL) {
            advance(p);
            left = sql_build_binary(&p->build, &at, comparison, left, parse_unary(p));
        } else if (kind == SQL_NOT) {
            advance(p);
            left = parse_worded(p, true, left);
        } else if (worded_of(kind) < WORDED_COUNT) {
            left = parse_worded(p, false, left);
        } else {
            return left;
        }
    }
}

/* ---- equality, and, or --------------------------------------------------------------------- */

static uint16_t parse_is(struct parser *p, const struct sql_token *at, uint16_t operand)
{
    bool is_not = looked_at(p) == SQL_NOT;
    if (is_not)
        advance(p);
    expect(p, SQL_NULL_WORD, is_not ? "NULL" : "NULL or NOT NULL");
    uint16_t node = sql_build_is_null(&p->build, at, operand);
    return is_not ? sql_build_unary(&p->build, at, SQL_NODE_NOT, node) : node;
}

static uint16_t parse_equality(struct parser *p)
{
    uint16_t left = parse_comparison(p);
    for (;;) {
        enum sql_token_kind kind = looked_at(p);
        if (kind != SQL_EQUAL && kind != SQL_NOT_EQUAL && kind != SQL_IS)
            return left;
        struct sql_token at = advance(p);
        if (kind == SQL_IS) {
            left = parse_is(p, &at, left);
            continue;
        }
        left = sql_build_binary(&p->build, &at, SQL_NODE_EQUAL, left, parse_comparison(p));
        if (kind == SQL_NOT_EQUAL)
            left = sql_build_unary(&p->build, &at, SQL_NODE_NOT, left);
    }
}

/* A chain of one operator makes one node. */
static uint16_t parse_chain(struct parser *p, enum sql_token_kind word, enum sql_kind kind,
                            uint16_t (*parse_operand)(struct parser *))
{
    uint16_t left = parse_operand(p);
    bool is_chain = false;
    while (looked_at(p) == word) {
        struct sql_token at = advance(p);
        if (!is_chain)
            left = sql_build_truth(&p->build, &at, left);
        uint16_t right = sql_build_truth(&p->build, &at, parse_operand(p));
        left = is_chain ? sql_build_append(&p->build, &at, left, right)
                        : sql_build_binary(&p->build, &at, kind, left, right);
        is_chain = true;
    }
    return left;
}

static uint16_t parse_and(struct parser *p)
{
    return parse_chain(p, SQL_AND, SQL_NODE_AND, parse_equality);
}

static uint16_t parse_or(struct parser *p)
{
    return parse_chain(p, SQL_OR, SQL_NODE_OR, parse_and);
}

/* ---- the door ------------------------------------------------------------------------------ */

bool expression_is_by_sql(struct slice type)
{
    return slice_eq(type, SLICE("SQL92"));
}

static const struct sql_expr *parse(struct slice text, struct arena *scratch, struct arena *arena,
                                    struct sql_error *error)
{
    struct parser p = { .words = sql_words_of(text) };
    sql_build_init(&p.build, text, scratch, error);
    p.token = sql_next_token(&p.words);
    struct sql_token first = p.token;
    uint16_t root = sql_build_truth(&p.build, &first, parse_or(&p));
    if (p.token.kind == SQL_BAD)
        refuse(&p, "the end");
    assert(p.build.is_failed || p.depth == 0);
    return sql_build_finish(&p.build, root, arena);
}

int sql_compile(struct slice text, struct arena *arena, const struct sql_expr **expr,
                struct sql_error *error)
{
    *error = (struct sql_error){ .line = 1, .column = 1 };
    if (text.len > SQL_TEXT_MAX) {
        snprintf(error->text, sizeof error->text, "the expression has %zu bytes, more than %d",
                 text.len, SQL_TEXT_MAX);
        return ERR_INVALID;
    }
    struct arena scratch;
    arena_init(&scratch);
    const struct sql_expr *made = parse(text, &scratch, arena, error);
    arena_fini(&scratch);
    if (made == NULL)
        return ERR_INVALID;
    *expr = made;
    return 0;
}
