/* Goal: any topic table is read or refused, and what was read is written so that it reads the same.
 */
#include "fuzz.h"
#include "wire/body_topic_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct topic_table table;
    struct topic_table again;
    arena_init(&arena);
    if (topic_table_decode(slice_of(data, size), &arena, &table) == 0) {
        struct buf text = BUF_INIT;
        topic_table_encode(&table, &text);
        CHECK(topic_table_decode(buf_slice(&text), &arena, &again) == 0);
        CHECK(data_version_eq(&table.version, &again.version));
        CHECK(again.count <= table.count); /* two entries may carry one name */
        buf_fini(&text);
    }
    arena_fini(&arena);
    return 0;
}
