/* Goal: any expression is compiled or refused with a position; what was compiled has one verdict,
 * and its copy has the same.
 * Method: the input is an expression, a zero byte, and what the properties hold. */
#include "fuzz.h"
#include "filter/sql.h"

static void evaluate(const struct sql_expr *expr, struct slice value, struct arena *arena)
{
    struct slice values[SQL_NAMES_MAX];
    int count = sql_name_count(expr);
    CHECK(count <= SQL_NAMES_MAX);
    for (int i = 0; i < count; i++)
        values[i] = i % 3 == 2 ? slice_of(NULL, 0) : slice_from(value, (size_t)(i % 3));
    enum sql_verdict verdict = sql_eval(expr, values);
    CHECK(verdict <= SQL_FAILED);
    CHECK(sql_eval(sql_copy(expr, arena), values) == verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    const struct sql_expr *expr = NULL;
    struct sql_error error;
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    struct slice text = slice_of(data, end == NULL ? size : (size_t)(end - data));
    arena_init(&arena);
    if (sql_compile(text, &arena, &expr, &error) == 0)
        evaluate(expr, slice_from(slice_of(data, size), text.len + 1), &arena);
    else
        CHECK(expr == NULL && error.line > 0 && error.column > 0 && error.text[0] != '\0');
    arena_fini(&arena);
    return 0;
}
