#include "namesrv/live_table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "wire/body_route.h"

static void text_free(struct slice *text)
{
    free((void *)(uintptr_t)text->data);
    *text = (struct slice){ NULL, 0 };
}

/* Replaces an owned text by a copy; data NULL stays so. */
static void text_set(struct slice *text, struct slice value)
{
    const char *copy = value.data == NULL ? NULL : memory_text(value);
    text_free(text);
    *text = slice_of(copy, value.len);
}

static void member_free(struct broker_member *member)
{
    list_remove(&member->link);
    text_free(&member->address);
    text_free(&member->ha_address);
    free(member);
}

static void group_free(struct broker_group *group)
{
    text_free(&group->name);
    text_free(&group->cluster);
    text_free(&group->zone_name);
    free(group->members);
    free(group);
}

void live_table_init(struct live_table *table)
{
    map_init(&table->by_name);
    list_init(&table->members);
    table->member_count = 0;
}

void live_table_fini(struct live_table *table)
{
    list_each(link, &table->members)
        member_free(list_entry(link, struct broker_member, link));
    size_t cursor = 0;
    struct broker_group *group;
    while (live_group_next(table, &cursor, &group))
        group_free(group);
    map_fini(&table->by_name);
}

/* ---- groups ------------------------------------------------------------------------------ */

struct broker_group *live_group(const struct live_table *table, struct slice name)
{
    return map_get(&table->by_name, name);
}

struct broker_group *live_group_add(struct live_table *table, struct slice name)
{
    struct broker_group *group = memory_zeroed(1, sizeof *group);
    text_set(&group->name, name);
    void *before = map_put(&table->by_name, name, group);
    assert(before == NULL);
    return group;
}

void live_group_remove(struct live_table *table, struct broker_group *group)
{
    assert(group->member_count == 0);
    void *removed = map_remove(&table->by_name, group->name);
    assert(removed == group);
    group_free(group);
}

void live_group_place(struct broker_group *group, struct slice cluster, struct slice zone_name)
{
    if (!slice_eq(group->cluster, cluster))
        text_set(&group->cluster, cluster);
    if (!slice_eq(group->zone_name, zone_name))
        text_set(&group->zone_name, zone_name);
}

bool live_group_has_master(const struct broker_group *group)
{
    return live_member_by_id(group, MASTER_ID) != NULL;
}

bool live_group_next(const struct live_table *table, size_t *cursor, struct broker_group **group)
{
    struct slice name;
    void *value;
    if (!map_next(&table->by_name, cursor, &name, &value))
        return false;
    *group = value;
    return true;
}

/* ---- members ----------------------------------------------------------------------------- */

/* The first member whose id is not smaller. */
static int place_of(const struct broker_group *group, int64_t broker_id)
{
    int place = 0;
    while (place < group->member_count && group->members[place]->broker_id < broker_id)
        place++;
    return place;
}

struct broker_member *live_member_by_id(const struct broker_group *group, int64_t broker_id)
{
    int place = place_of(group, broker_id);
    bool is_there = place < group->member_count && group->members[place]->broker_id == broker_id;
    return is_there ? group->members[place] : NULL;
}

struct broker_member *live_member_by_address(const struct broker_group *group, struct slice address)
{
    for (int i = 0; i < group->member_count; i++)
        if (slice_eq(group->members[i]->address, address))
            return group->members[i];
    return NULL;
}

struct broker_member *live_member_add(struct live_table *table, struct broker_group *group,
                                      int64_t broker_id, struct slice address)
{
    int place = place_of(group, broker_id);
    struct broker_member *member = memory_zeroed(1, sizeof *member);
    MEMORY_GROW(group->members, group->member_count, group->member_cap, 2);
    member->group = group;
    member->broker_id = broker_id;
    text_set(&member->address, address);
    memmove(&group->members[place + 1], &group->members[place],
            (size_t)(group->member_count - place) * sizeof *group->members);
    group->members[place] = member;
    group->member_count++;
    list_append(&table->members, &member->link);
    table->member_count++;
    return member;
}

void live_member_remove(struct live_table *table, struct broker_member *member)
{
    struct broker_group *group = member->group;
    int place = place_of(group, member->broker_id);
    assert(group->members[place] == member);
    group->member_count--;
    memmove(&group->members[place], &group->members[place + 1],
            (size_t)(group->member_count - place) * sizeof *group->members);
    table->member_count--;
    member_free(member);
}

void live_member_set_ha_address(struct broker_member *member, struct slice ha_address)
{
    if (!slice_eq(member->ha_address, ha_address))
        text_set(&member->ha_address, ha_address);
}
