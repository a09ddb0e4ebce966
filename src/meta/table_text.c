#include "meta/table_text.h"

#include <assert.h>

void table_text_init(struct table_text *text)
{
    *text = (struct table_text){ .out = BUF_INIT };
}

void table_text_clear(struct table_text *text)
{
    buf_clear(&text->out);
    text->is_begun = false;
}

void table_text_fini(struct table_text *text)
{
    buf_fini(&text->out);
    text->is_begun = false;
}

bool table_text_begins(struct table_text *text, const struct map *map)
{
    if (text->is_begun && text->layout == map->layout) {
        assert(text->json.out == &text->out); /* it was not moved */
        assert(text->cursor <= map->used);
        return false;
    }
    buf_clear(&text->out);
    text->json = json_out_to(&text->out, JSON_DIALECT);
    text->json.pretty = true;
    text->cursor = 0;
    text->is_second_walk = false;
    text->layout = map->layout;
    text->is_begun = true;
    json_object_begin(&text->json);
    return true;
}

bool table_text_whole(struct table_text *text)
{
    assert(text->is_begun);
    assert(text->json.depth == 1);
    json_object_end(&text->json);
    return true;
}
