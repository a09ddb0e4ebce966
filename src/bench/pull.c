#include "bench/pull.h"

#include "wire/codes.h"
#include "wire/req_offset.h"
#include "wire/req_pull.h"

int pull_ask(struct line *line, const struct pull_place *place, int64_t suspend_ms)
{
    const struct pull_request fields = {
        .consumer_group = slice_str(place->group),
        .topic = slice_str(place->topic),
        .queue_id = place->queue_id,
        .queue_offset = place->queue_offset,
        .max_msg_nums = PULL_MESSAGES,
        .sys_flag = PULL_SUBSCRIPTION | (suspend_ms > 0 ? PULL_SUSPEND : 0),
        .suspend_timeout_ms = suspend_ms,
        .subscription = SLICE("*"),
        .expression_type = SLICE("TAG"),
    };
    return line_ask(line, REQ_PULL_MESSAGE, &pull_request_fields, &fields, slice_of(NULL, 0));
}

bool pull_advance(struct pull_place *place, const struct line_answer *answer)
{
    struct pull_response fields;
    if (fields_decode(&pull_response_fields, FIELD_LONG_NAMES, &answer->header, &fields, NULL) == 0)
        place->queue_offset = fields.next_begin_offset;
    return answer->header.code == RESP_SUCCESS;
}

int pull_queue_end(struct line *line, int32_t code, const char *topic, int32_t queue_id,
                   int64_t timeout_ns, int64_t *queue_offset)
{
    const struct queue_request fields = { .topic = slice_str(topic), .queue_id = queue_id };
    struct line_answer answer;
    struct offset_response found;
    int err = line_call(line, code, &queue_request_fields, &fields, slice_of(NULL, 0), timeout_ns,
                        &answer);
    if (err != 0)
        return err;
    if (answer.header.code != RESP_SUCCESS ||
        fields_decode(&offset_response_fields, FIELD_LONG_NAMES, &answer.header, &found, NULL) != 0)
        return ERR_NOT_FOUND;
    *queue_offset = found.offset;
    return 0;
}
