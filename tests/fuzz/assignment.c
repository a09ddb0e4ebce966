/* Goal: any question for an assignment, any setting and any table of settings is read or refused; a
 * table is written so that it reads the same. */
#include "fuzz.h"
#include "wire/body_assignment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct assignment_request request;
    struct request_mode_setting setting;
    struct request_mode_table table;
    arena_init(&arena);
    if (assignment_request_decode(slice_of(data, size), &arena, &request) == 0)
        touch(request.topic);
    if (request_mode_setting_decode(slice_of(data, size), &arena, &setting) == 0)
        touch(setting.topic);
    if (request_mode_table_decode(slice_of(data, size), &arena, &table) == 0) {
        struct buf text = BUF_INIT;
        struct buf again = BUF_INIT;
        request_mode_table_encode(&table, &text);
        CHECK(request_mode_table_decode(buf_slice(&text), &arena, &table) == 0);
        request_mode_table_encode(&table, &again);
        CHECK(slice_eq(buf_slice(&text), buf_slice(&again)));
        buf_fini(&text);
        buf_fini(&again);
    }
    arena_fini(&arena);
    return 0;
}
