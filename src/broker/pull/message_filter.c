#include "broker/pull/message_filter.h"

#include <assert.h>
#include <stdio.h>

#include "wire/properties.h"

int message_filter_compile(struct slice type, struct slice text, struct arena *arena,
                           struct message_filter *filter, struct sql_error *error)
{
    *filter = (struct message_filter){ .tags = { .all = true } };
    *error = (struct sql_error){ .line = 1, .column = 1 };
    int err = ERR_INVALID;
    if (expression_is_by_tag(type)) {
        err = tag_filter_parse(text, arena, &filter->tags);
        if (err != 0)
            snprintf(error->text, sizeof error->text, "there are separators only");
    } else if (expression_is_by_sql(type)) {
        err = sql_compile(text, arena, &filter->sql, error);
    } else {
        snprintf(error->text, sizeof error->text, "there are no filters of type %.*s",
                 (int)(type.len < 64 ? type.len : 64), (const char *)type.data);
    }
    return err;
}

void message_filter_for_retry(struct message_filter *filter, const struct filters *filters,
                              struct slice group, struct arena *arena)
{
    const struct filter_entry *entry;
    size_t cursor = 0;
    int room = 0;
    while (filters_next_of_group(filters, group, &cursor, &entry))
        room++;
    struct retry_origin *origins = arena_alloc(arena, (size_t)(room + 1) * sizeof *origins);
    int count = 0;
    cursor = 0;
    while (filters_next_of_group(filters, group, &cursor, &entry))
        origins[count++] = (struct retry_origin){ entry->topic, entry->sql };
    assert(count == room);
    *filter = (struct message_filter){ .tags = { .all = true },
                                       .origins = origins,
                                       .origin_count = count };
}

static void keep_origins(struct message_filter *filter, struct arena *arena)
{
    size_t bytes = (size_t)filter->origin_count * sizeof *filter->origins;
    struct retry_origin *origins = arena_alloc(arena, bytes + 1);
    for (int i = 0; i < filter->origin_count; i++)
        origins[i] = (struct retry_origin){ arena_copy(arena, filter->origins[i].topic),
                                            sql_copy(filter->origins[i].sql, arena) };
    filter->origins = origins;
}

void message_filter_keep(struct message_filter *filter, struct arena *arena)
{
    size_t bytes = (size_t)filter->tags.count * sizeof *filter->tags.codes;
    if (bytes > 0)
        filter->tags.codes = memcpy(arena_alloc(arena, bytes), filter->tags.codes, bytes);
    filter->tags.tags = NULL;
    if (filter->sql != NULL)
        filter->sql = sql_copy(filter->sql, arena);
    if (filter->origins != NULL)
        keep_origins(filter, arena);
}

size_t message_filter_bytes(const struct message_filter *filter)
{
    size_t bytes = (size_t)filter->tags.count * sizeof *filter->tags.codes;
    if (filter->sql != NULL)
        bytes += sql_bytes(filter->sql);
    for (int i = 0; i < filter->origin_count; i++)
        bytes += sizeof filter->origins[i] + filter->origins[i].topic.len +
                 sql_bytes(filter->origins[i].sql);
    return bytes;
}

/* ---- asking -------------------------------------------------------------------------------- */

static bool reads_properties(const struct message_filter *filter)
{
    return filter->sql != NULL || filter->origins != NULL;
}

bool message_filter_takes_all(const struct message_filter *filter)
{
    return filter->tags.all && !reads_properties(filter);
}

/* The expression for a message; NULL: it needs none. */
static const struct sql_expr *expression_for(const struct message_filter *filter,
                                             struct slice properties)
{
    if (filter->origins == NULL)
        return filter->sql;
    struct slice origin = property_get(properties, SLICE(PROPERTY_RETRY_TOPIC));
    for (int i = 0; i < filter->origin_count; i++)
        if (slice_eq(filter->origins[i].topic, origin))
            return filter->origins[i].sql;
    return NULL;
}

static bool takes_properties(const struct message_filter *filter, struct slice properties)
{
    struct slice values[SQL_NAMES_MAX];
    struct slice name;
    struct slice value;
    const struct sql_expr *sql = expression_for(filter, properties);
    if (sql == NULL)
        return true;
    assert(sql_name_count(sql) <= SQL_NAMES_MAX);
    memset(values, 0, (size_t)sql_name_count(sql) * sizeof values[0]);
    while (property_next(&properties, &name, &value)) {
        int index = sql_name_index(sql, name);
        if (index >= 0)
            values[index] = value;
    }
    return sql_eval(sql, values) == SQL_TRUE;
}

bool message_filter_takes(const struct message_filter *filter, int64_t tags_code,
                          struct slice properties)
{
    return tag_filter_matches(&filter->tags, tags_code) && takes_properties(filter, properties);
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
    request->properties_filter = reads_properties(filter) ? properties_step : NULL;
    request->filter_ctx = filter;
}
