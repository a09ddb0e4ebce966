/* cmd_receive.c - ramjet receive: prints messages as a member of a consumer group. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "main/cmd.h"
#include "main/cli.h"
#include "wire/compress.h"
#include "wire/names.h"
#include "wire/properties.h"

static const char about[] =
    "usage: ramjet receive TOPIC [options]\n"
    "\n"
    "Joins a consumer group, prints each message on a line, and remembers how far the group has "
    "come:\n"
    "broker/queue, offset, tag, key (\"-\" for none), body (as hex when it is no text).\n"
    "Members of one group share the queues of the topic, also with other client libraries.\n"
    "\n";
static const char epilogue[] =
    "\n"
    "Exit code 0: done, or ended by a signal. 1: it failed, or --timeout came before --count.\n";

enum { RECEIVE_COUNT_MAX = 1000000000, TIMEOUT_MAX_S = 1000000 };
enum { BODY_UNPACKED_MAX = 64 << 20 };
enum { LEAVE_TIMEOUT_MS = 6000 };

struct receiver {
    struct cli cli;
    struct consumer *consumer;
    const char *topic;
    const char *group;
    bool from_first;
    int64_t count;      /* -1: no end */
    int64_t timeout_ms; /* -1: none */
    int64_t taken;
    bool timed_out;
    struct loop_timer idle_timer;
    struct buf unpacked;
};

/* A property in one word. */
static void print_property(const struct record *record, struct slice name)
{
    struct slice value = property_get(record->properties, name);
    printf(" %.*s", SLICE_FMT(value.len == 0 ? SLICE("-") : value));
}

/* Bytes that a terminal shows as they are: no control bytes but tabs. */
static bool is_text(struct slice body)
{
    for (size_t i = 0; i < body.len; i++)
        if (body.data[i] < 0x20 ? body.data[i] != '\t' : body.data[i] == 0x7f)
            return false;
    return true;
}

static void print_body(struct slice body)
{
    if (is_text(body)) {
        printf(" %.*s\n", SLICE_FMT(body));
        return;
    }
    fputs(" 0x", stdout);
    for (size_t i = 0; i < body.len; i++)
        printf("%02x", body.data[i]);
    putchar('\n');
}

static bool on_message(void *ctx, const struct message_queue *queue, const struct record *record)
{
    struct receiver *r = ctx;
    if (r->count >= 0 && r->taken == r->count)
        return false;
    struct slice body = record->body;
    if ((record->sys_flag & SYS_FLAG_COMPRESSED) != 0) {
        buf_clear(&r->unpacked);
        if (decompress_append((enum compression)(record->sys_flag & SYS_FLAG_COMPRESSION_MASK),
                              body, BODY_UNPACKED_MAX, &r->unpacked) == 0)
            body = buf_slice(&r->unpacked);
    }
    printf("%.*s/%d %lld", SLICE_FMT(queue->broker_name), queue->queue_id,
           (long long)record->queue_offset);
    print_property(record, SLICE(PROPERTY_TAGS));
    print_property(record, SLICE(PROPERTY_KEYS));
    print_body(body);
    fflush(stdout); /* a message that will be counted as consumed has been seen */
    r->taken++;
    if (r->taken == r->count)
        cli_end(&r->cli);
    else if (r->timeout_ms >= 0)
        loop_timer_start(r->cli.loop, &r->idle_timer, r->timeout_ms);
    return true;
}

/* The consumer goes on trying; what makes no sense to wait for ends the command. */
static void on_trouble(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "ramjet receive: %s; trying again\n", text);
}

static void idle(struct loop_timer *t)
{
    struct receiver *r = (struct receiver *)((char *)t - offsetof(struct receiver, idle_timer));
    r->timed_out = true;
    cli_end(&r->cli);
}

static void on_request(void *ctx, struct request *req)
{
    struct receiver *r = ctx;
    consumer_on_request(r->consumer, req);
}

static void left(void *ctx)
{
    struct receiver *r = ctx;
    cli_end(&r->cli);
}

static void free_consumer(void *ctx)
{
    struct receiver *r = ctx;
    consumer_free(r->consumer);
}

static void first_route(void *ctx, const struct route *route, bool no_such_topic, const char *why)
{
    struct receiver *r = ctx;
    struct slice topic = slice_str(r->topic);
    if (route == NULL) {
        cli_fail_route(&r->cli, topic, no_such_topic, why);
        return;
    }
    struct consumer_options options = {
        .loop = r->cli.loop,
        .client = r->cli.client,
        .routes = r->cli.routes,
        .topic = topic,
        .group = slice_str(r->group),
        .client_id = slice_str(r->cli.client_id),
        .from_first = r->from_first,
        .on_message = on_message,
        .on_trouble = on_trouble,
        .ctx = r,
    };
    if (consumer_start(&options, &r->consumer) != 0)
        cli_fail(&r->cli, "out of memory");
}

static int run(struct receiver *r, const struct cli_target *target)
{
    if (cli_open(&r->cli, "receive", target, on_request, r) != 0)
        return 1;
    loop_timer_init(&r->idle_timer, idle);
    if (r->timeout_ms >= 0)
        loop_timer_start(r->cli.loop, &r->idle_timer, r->timeout_ms);
    routes_find(r->cli.routes, slice_str(r->topic), first_route, r);
    cli_run(&r->cli);
    bool timed_out = r->timed_out;
    if (r->consumer != NULL) {
        loop_timer_start(r->cli.loop, &r->idle_timer, LEAVE_TIMEOUT_MS);
        consumer_stop(r->consumer, left, r);
        cli_run(&r->cli);
    }
    loop_timer_stop(&r->idle_timer);
    cli_close(&r->cli, free_consumer, r);
    buf_fini(&r->unpacked);
    return r->cli.has_failed || (timed_out && r->count >= 0) ? 1 : 0;
}

int cmd_receive(int argc, char **argv)
{
    struct receiver receiver = { .group = "ramjet-receive", .count = -1, .timeout_ms = -1 };
    struct cli_target target = { 0 };
    int64_t timeout_s = -1;
    const struct option_row rows[] = {
        OPTION_TEXT("group", "GROUP", "the consumer group (default: ramjet-receive)",
                    &receiver.group),
        OPTION_FLAG("from-first",
                    "a new group begins with the oldest message, not with the next one",
                    &receiver.from_first),
        OPTION_NUMBER("count", "N", "end after N messages", &receiver.count, 1, RECEIVE_COUNT_MAX),
        OPTION_NUMBER("timeout", "SECONDS", "end when no message came for so long", &timeout_s, 1,
                      TIMEOUT_MAX_S),
        CLI_TARGET_ROWS(&target),
    };
    const struct options options = { "receive",      about,
                                     rows,           sizeof rows / sizeof rows[0],
                                     epilogue,       .least_words = 1,
                                     .most_words = 1 };
    char **words;
    int word_count;
    int code = options_read(&options, argc, argv, &words, &word_count);
    if (code != OPTIONS_GO_ON)
        return code;
    const char *fault = group_name_fault(slice_str(receiver.group));
    if (fault != NULL)
        fprintf(stderr, "ramjet receive: group \"%s\": %s\n", receiver.group, fault);
    if (fault != NULL || !option_topic("receive", words[0]))
        return options_refuse("receive");
    receiver.topic = words[0];
    receiver.timeout_ms = timeout_s < 0 ? -1 : timeout_s * 1000;
    return run(&receiver, &target);
}
