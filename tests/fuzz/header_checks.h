/* header_checks.h - a decoded header, encoded and decoded again, says the same. */
#ifndef HEADER_CHECKS_H
#define HEADER_CHECKS_H

#include "fuzz.h"
#include "wire/header.h"

static inline void touch_header(const struct header *h)
{
    touch(h->remark);
    for (int i = 0; i < h->ext_count; i++) {
        touch(h->ext[i].key);
        touch(h->ext[i].value);
    }
}

static inline void check_same_header(const struct header *a, const struct header *b)
{
    CHECK(a->code == b->code && a->version == b->version && a->opaque == b->opaque);
    CHECK(a->flag == b->flag && a->language == b->language && a->ext_count == b->ext_count);
    CHECK(slice_eq(a->remark, b->remark));
    for (int i = 0; i < a->ext_count; i++) {
        CHECK(slice_eq(a->ext[i].key, b->ext[i].key));
        CHECK(slice_eq(a->ext[i].value, b->ext[i].value));
    }
}

static inline void check_round_trip(enum serialize_type type, const struct header *h,
                                    struct arena *arena)
{
    struct slice encoded = header_encode(type, h, 0, arena);
    struct frame frame;
    struct header again;
    size_t need;
    CHECK(frame_parse(encoded, &frame, &need) == 0);
    CHECK(frame.type == type && frame.body.len == 0);
    CHECK(header_decode(type, frame.header, arena, &again) == 0);
    check_same_header(h, &again);
}

#endif
