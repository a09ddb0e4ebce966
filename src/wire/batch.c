#include "wire/batch.h"

enum { BATCH_FIXED_BYTES = 4 + 4 + 4 + 4 + 4 + 2 };

int batch_next(struct slice *rest, struct batch_item *item)
{
    if (rest->len < BATCH_FIXED_BYTES)
        return ERR_CORRUPT;
    int32_t total = (int32_t)get_be32(rest->data);
    if (total < BATCH_FIXED_BYTES || (size_t)total > rest->len)
        return ERR_CORRUPT;
    struct reader r = reader_of(slice_of(rest->data, (size_t)total));
    (void)read_bytes(&r, 4 + 4 + 4); /* total, magic, crc */
    struct batch_item decoded = { .flag = read_i32(&r) };
    decoded.body = read_bytes(&r, read_i32(&r));
    decoded.properties = read_bytes(&r, read_i16(&r));
    if (r.failed || r.rest.len > 0)
        return ERR_CORRUPT;
    *item = decoded;
    *rest = slice_from(*rest, (size_t)total);
    return 0;
}

int batch_count(struct slice body, int *count)
{
    struct batch_item item;
    int items = 0;
    do {
        int err = batch_next(&body, &item);
        if (err != 0)
            return err;
        items++;
    } while (body.len > 0);
    *count = items;
    return 0;
}
