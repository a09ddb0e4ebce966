#include "filter/tags.h"

#include "base/java_hash.h"

bool expression_is_by_tag(struct slice type)
{
    return type.len == 0 || slice_eq(type, SLICE("TAG"));
}

/* Cuts the piece before the next "||" off *rest. */
static struct slice next_piece(struct slice *rest)
{
    const uint8_t *stop = memmem(rest->data, rest->len, "||", 2);
    struct slice piece = { rest->data, stop == NULL ? rest->len : (size_t)(stop - rest->data) };
    *rest = stop == NULL ? (struct slice){ NULL, 0 } : slice_from(*rest, piece.len + 2);
    return piece;
}

/* The pieces between separators, as far as they are not empty: at most one more than separators. */
static int count_pieces(struct slice expression)
{
    int count = 0;
    while (expression.len > 0)
        if (next_piece(&expression).len > 0)
            count++;
    return count;
}

int tag_filter_parse(struct slice expression, struct arena *arena, struct tag_filter *filter)
{
    if (expression.len == 0 || slice_eq(expression, SLICE("*"))) {
        *filter = (struct tag_filter){ .all = true };
        return 0;
    }
    int pieces = count_pieces(expression);
    if (pieces == 0)
        return ERR_INVALID;

    struct slice *tags = arena_alloc(arena, (size_t)pieces * sizeof *tags);
    int32_t *codes = arena_alloc(arena, (size_t)pieces * sizeof *codes);
    int count = 0;
    while (expression.len > 0) {
        struct slice tag = slice_trim(next_piece(&expression));
        if (tag.len == 0)
            continue;
        tags[count] = tag;
        codes[count++] = java_hash(tag);
    }
    *filter = (struct tag_filter){ .codes = codes, .tags = tags, .count = count };
    return 0;
}

bool tag_filter_matches(const struct tag_filter *filter, int64_t tags_code)
{
    if (filter->all)
        return true;
    for (int i = 0; i < filter->count; i++)
        if (filter->codes[i] == tags_code)
            return true;
    return false;
}
