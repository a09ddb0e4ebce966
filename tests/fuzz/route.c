/* Goal: any route is read or refused, and what was read is written so that it reads the same, in
 * both styles of integer keys. */
#include "fuzz.h"
#include "wire/body_route.h"

static void check_round_trip(const struct route_data *route, enum json_style style,
                             struct arena *arena)
{
    struct route_data again;
    struct buf text = BUF_INIT;
    route_data_encode(route, style, &text);
    CHECK(route_data_decode(buf_slice(&text), arena, &again) == 0);
    CHECK(again.queue_count == route->queue_count);
    CHECK(again.broker_count == route->broker_count);
    CHECK(slice_eq(again.order_topic_conf, route->order_topic_conf));
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct route_data route;
    arena_init(&arena);
    if (route_data_decode(slice_of(data, size), &arena, &route) == 0) {
        check_round_trip(&route, JSON_DIALECT, &arena);
        check_round_trip(&route, JSON_STANDARD, &arena);
    }
    arena_fini(&arena);
    return 0;
}
