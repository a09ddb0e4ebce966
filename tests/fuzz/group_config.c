/* Goal: any list of groups is read or refused, and a group that was read is written so that it
 * reads the same. */
#include "fuzz.h"
#include "wire/body_group_config.h"

static void check_group(const struct group_config *group, struct arena *arena)
{
    struct group_config again;
    struct buf text = BUF_INIT;
    struct buf text_again = BUF_INIT;
    group_config_encode(group, &text);
    CHECK(group_config_decode(buf_slice(&text), arena, &again) == 0);
    group_config_encode(&again, &text_again);
    CHECK(slice_eq(buf_slice(&text), buf_slice(&text_again)));
    buf_fini(&text);
    buf_fini(&text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct group_config_list list;
    arena_init(&arena);
    if (group_config_list_decode(slice_of(data, size), &arena, &list) == 0)
        for (int i = 0; i < list.count; i++)
            check_group(&list.groups[i], &arena);
    arena_fini(&arena);
    return 0;
}
