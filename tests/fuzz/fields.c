/* Goal: the fields of any header are read or refused, for each kind of request a client sends; what
 * was read is written so that it reads the same. The first byte chooses the kind and whether names
 * are letters, the rest is a JSON header. */
#include "fuzz.h"
#include "wire/req_admin.h"
#include "wire/req_client.h"
#include "wire/req_namesrv.h"
#include "wire/req_offset.h"
#include "wire/req_pop.h"
#include "wire/req_pull.h"
#include "wire/req_query.h"
#include "wire/req_send.h"
#include "wire/req_txn.h"

static const struct fields *const kinds[] = {
    &send_request_fields,
    &send_back_request_fields,
    &recall_request_fields,
    &end_transaction_request_fields,
    &resume_check_request_fields,
    &pull_request_fields,
    &pop_request_fields,
    &pop_ack_request_fields,
    &pop_change_request_fields,
    &notification_request_fields,
    &query_message_request_fields,
    &query_consumer_offset_request_fields,
    &update_consumer_offset_request_fields,
    &search_offset_request_fields,
    &unregister_client_request_fields,
    &create_topic_request_fields,
    &reset_offset_request_fields,
    &consume_directly_request_fields,
    &register_broker_request_fields,
    &route_request_fields,
};
enum { KINDS = sizeof kinds / sizeof kinds[0], LARGEST = 1024 };

static void check_same(const struct ext_field *a, int a_count, const struct ext_field *b, int count)
{
    CHECK(a_count == count);
    for (int i = 0; i < count; i++) {
        touch(a[i].value);
        CHECK(slice_eq(a[i].key, b[i].key) && slice_eq(a[i].value, b[i].value));
    }
}

static void check_kind(const struct fields *kind, enum field_names names, struct header *header,
                       struct arena *arena)
{
    _Alignas(16) uint8_t into[LARGEST];
    const char *missing = NULL;
    int count;
    int again_count;
    CHECK(kind->bytes <= sizeof into);
    if (fields_decode(kind, names, header, into, &missing) != 0) {
        CHECK(missing != NULL);
        return;
    }
    const struct ext_field *written = fields_encode(kind, names, into, arena, &count);
    header->ext = written;
    header->ext_count = count;
    CHECK(fields_decode(kind, names, header, into, &missing) == 0);
    const struct ext_field *again = fields_encode(kind, names, into, arena, &again_count);
    check_same(written, count, again, again_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct header header;
    if (size == 0)
        return 0;
    arena_init(&arena);
    if (header_decode(SERIALIZE_JSON, slice_of(data + 1, size - 1), &arena, &header) == 0)
        check_kind(kinds[(data[0] >> 1) % KINDS],
                   (data[0] & 1) != 0 ? FIELD_LETTERS : FIELD_LONG_NAMES, &header, &arena);
    arena_fini(&arena);
    return 0;
}
