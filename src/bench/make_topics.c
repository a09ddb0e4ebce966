/* make_topics.c - the topics of a load to many of them, before it.
 */
#include "base/clock.h"
#include "bench/line.h"
#include "bench/run.h"
#include "wire/body_topic_config.h"
#include "wire/codes.h"

enum { TOPICS_PER_REQUEST = 1000 };
#define MAKE_TIMEOUT_NS INT64_C(60000000000)

/* The body of a request that makes topics `from` and on. */
static void encode_topics(const struct run *run, int from, int count, struct buf *body)
{
    struct json_out j = json_out_to(body, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("topicConfigList"));
    json_array_begin(&j);
    for (int i = from; i < from + count; i++) {
        char name[SEND_TOPIC_NAME_BYTES];
        send_topic_name(name, run->settings.topic, i);
        struct topic_config config = topic_config_default(slice_str(name));
        config.read_queue_count = config.write_queue_count = run->settings.queues;
        config.perm = PERM_READ | PERM_WRITE;
        topic_config_to_json(&config, &j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

int run_make_topics(struct run *run, const struct run_broker *broker)
{
    struct line line;
    struct buf body = BUF_INIT;
    int err = line_open(&line, &broker->address, MAKE_TIMEOUT_NS);
    if (err != 0)
        return run_complain(run, broker, "connecting", err);
    for (int done = 0; done < run->settings.topics && err == 0; done += TOPICS_PER_REQUEST) {
        struct line_answer answer = { .header.code = -1 };
        int left = run->settings.topics - done;
        buf_clear(&body);
        encode_topics(run, done, left < TOPICS_PER_REQUEST ? left : TOPICS_PER_REQUEST, &body);
        err = line_call(&line, REQ_UPDATE_AND_CREATE_TOPIC_LIST, NULL, NULL, buf_slice(&body),
                        MAKE_TIMEOUT_NS, &answer);
        if (err == 0 && answer.header.code != RESP_SUCCESS) {
            fprintf(stderr, "ramjet bench %s: %s: code %d %.*s\n", run->scenario->name,
                    broker->name, answer.header.code, SLICE_FMT(answer.header.remark));
            err = ERR_UNSUPPORTED;
        }
    }
    buf_fini(&body);
    line_close(&line);
    return err == 0 ? 0 : run_complain(run, broker, "making topics", err);
}
