/* Goal: any body of CHECK_CLIENT_CONFIG is read or refused; its slices lie in memory. */
#include "fuzz.h"
#include "wire/body_subscription.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct client_config config;
    arena_init(&arena);
    if (client_config_decode(slice_of(data, size), &arena, &config) == 0) {
        touch(config.client_id);
        touch(config.group);
        if (config.has_subscription) {
            touch(config.subscription.topic);
            touch(config.subscription.sub_string);
            touch(config.subscription.expression_type);
            for (int i = 0; i < config.subscription.tag_count; i++)
                touch(config.subscription.tags[i]);
        }
    }
    arena_fini(&arena);
    return 0;
}
