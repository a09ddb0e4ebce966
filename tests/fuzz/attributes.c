/* Goal: any text of attributes is read or refused with the reason, applied to a new topic or
 * refused; what a topic has by it is what can be told. */
#include "broker/topic_attributes.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    const struct pair *changes;
    struct slice why = slice_of(NULL, 0);
    struct topic_config config = { .name = SLICE("t"), .read_queue_count = 1 };
    int count;
    arena_init(&arena);
    int err = topic_attributes_parse(slice_of(data, size), &arena, &changes, &count, &why);
    if (err == 0)
        err = topic_attributes_apply(NULL, changes, count, &arena, &config, &why);
    if (err == 0)
        CHECK(!(topic_has_batch_queues(&config) && config.attribute_count == 0));
    else
        CHECK(why.data != NULL);
    touch(why);
    arena_fini(&arena);
    return 0;
}
