/* sql_verdicts.c - Ramjet's verdict on each SQL92 case of stdin, a line each on stdout; the
 * reference's side is java/SqlVerdicts.java.
 *
 * A case, big-endian: i32 length and bytes of the expression, i32 count of properties, of each the
 * i32 length and bytes of name and value. A verdict: T true, F false, N null, E evaluation fails, R
 * refused; then, for R, a blank and the reason.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "filter/sql.h"

static void read_exactly(void *into, size_t bytes)
{
    if (fread(into, 1, bytes, stdin) != bytes) {
        fprintf(stderr, "a case is cut short\n");
        exit(1);
    }
}

static int32_t read_count(void)
{
    uint8_t bytes[4];
    read_exactly(bytes, sizeof bytes);
    return (int32_t)get_be32(bytes);
}

static struct slice read_text(struct arena *arena)
{
    size_t bytes = (size_t)read_count();
    uint8_t *data = arena_alloc(arena, bytes + 1);
    read_exactly(data, bytes);
    return slice_of(data, bytes);
}

static char verdict_of(const struct sql_expr *expr, struct arena *arena)
{
    static const char letters[] = {
        [SQL_TRUE] = 'T', [SQL_FALSE] = 'F', [SQL_UNKNOWN] = 'N', [SQL_FAILED] = 'E'
    };
    struct slice values[SQL_NAMES_MAX] = { { NULL, 0 } };
    for (int32_t left = read_count(); left > 0; left--) {
        struct slice name = read_text(arena);
        struct slice value = read_text(arena);
        int index = expr == NULL ? -1 : sql_name_index(expr, name);
        if (index >= 0)
            values[index] = value;
    }
    return expr == NULL ? 'R' : letters[sql_eval(expr, values)];
}

int main(void)
{
    struct arena arena;
    arena_init(&arena);
    for (int c; (c = getchar()) != EOF;) {
        const struct sql_expr *expr = NULL;
        struct sql_error error;
        ungetc(c, stdin);
        int err = sql_compile(read_text(&arena), &arena, &expr, &error);
        putchar(verdict_of(expr, &arena));
        if (err != 0)
            printf(" %s", error.text);
        putchar('\n');
        arena_reset(&arena);
    }
    arena_fini(&arena);
    return 0;
}
