#include "broker/message_filter.h"

#include <assert.h>
#include <stdio.h>

#include "wire/properties.h"

bool message_filter_is_by_tag(struct slice type)
{
    return type.len == 0 || slice_eq(type, SLICE("TAG"));
}

int message_filter_compile(struct slice type, struct slice text, struct arena *arena,
                           struct message_filter *filter, struct sql_error *error)
{
    *filter = (struct message_filter){ .tags = { .all = true } };
    *error = (struct sql_error){ .line = 1, .column = 1 };
    int err = ERR_INVALID;
    if (message_filter_is_by_tag(type)) {
        err = tag_filter_parse(text, arena, &filter->tags);
        if (err != 0)
            snprintf(error->text, sizeof error->text, "there are separators only");
    } else if (slice_eq(type, SLICE("SQL92"))) {
        err = sql_compile(text, arena, &filter->sql, error);
    } else {
        snprintf(error->text, sizeof error->text, "there are no filters of type %.*s",
                 (int)(type.len < 64 ? type.len : 64), (const char *)type.data);
    }
    return err;
}

void message_filter_keep(struct message_filter *filter, struct arena *arena)
{
    size_t bytes = (size_t)filter->tags.count * sizeof *filter->tags.codes;
    if (bytes > 0)
        filter->tags.codes = memcpy(arena_alloc(arena, bytes), filter->tags.codes, bytes);
    filter->tags.tags = NULL;
    if (filter->sql != NULL)
        filter->sql = sql_copy(filter->sql, arena);
}

size_t message_filter_bytes(const struct message_filter *filter)
{
    return (size_t)filter->tags.count * sizeof *filter->tags.codes +
           (filter->sql == NULL ? 0 : sql_bytes(filter->sql));
}

bool message_filter_takes_all(const struct message_filter *filter)
{
    return filter->tags.all && filter->sql == NULL;
}

static bool takes_properties(const struct message_filter *filter, struct slice properties)
{
    struct slice values[SQL_NAMES_MAX];
    struct slice name;
    struct slice value;
    assert(sql_name_count(filter->sql) <= SQL_NAMES_MAX);
    memset(values, 0, (size_t)sql_name_count(filter->sql) * sizeof values[0]);
    while (property_next(&properties, &name, &value)) {
        int index = sql_name_index(filter->sql, name);
        if (index >= 0)
            values[index] = value;
    }
    return sql_eval(filter->sql, values) == SQL_TRUE;
}

bool message_filter_takes(const struct message_filter *filter, int64_t tags_code,
                          struct slice properties)
{
    return tag_filter_matches(&filter->tags, tags_code) &&
           (filter->sql == NULL || takes_properties(filter, properties));
}

static bool entry_step(void *ctx, int64_t tags_code)
{
    const struct message_filter *filter = ctx;
    return tag_filter_matches(&filter->tags, tags_code);
}

static bool properties_step(void *ctx, struct slice properties)
{
    return takes_properties(ctx, properties);
}

void message_filter_of_get(struct message_filter *filter, struct store_get_request *request)
{
    request->filter = filter->tags.all ? NULL : entry_step;
    request->properties_filter = filter->sql == NULL ? NULL : properties_step;
    request->filter_ctx = filter;
}
