/* cmd_send.c - ramjet send: messages from an argument, from standard input, or of a given size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "main/cmd.h"
#include "main/cli.h"
#include "wire/msg_id.h"
#include "wire/names.h"
#include "wire/properties.h"

static const char about[] =
    "usage: ramjet send TOPIC [BODY|-] [options]\n"
    "\n"
    "Sends a message, and prints for each one that was stored: broker/queue, offset, message id.\n"
    "A topic that does not exist is made, when the brokers make topics by themselves.\n"
    "\n"
    "  BODY                the message (default: \"hello\"); -: each line of standard input\n";

enum { WINDOW = 64, NEW_TOPIC_QUEUES = 4 };
enum { SEND_COUNT_MAX = 1000000000, SEND_BODY_MAX = 16 << 20 };

struct sender {
    struct cli cli;
    struct slice topic;
    const char *tag;
    const char *key;
    char *body;
    size_t body_bytes;
    bool from_stdin;
    bool is_quiet;
    int64_t count;   /* to be sent in all */
    int64_t started; /* calls made */
    int64_t stored;
    int under_way;
    bool is_routing;
    int64_t started_ns;
    struct uniq_key_source uniq_keys;
};

/* What is on its way: where to, for the line that is printed. */
struct sending {
    struct sender *sender;
    char broker_name[128];
};

static void send_more(struct sender *s);

static void sent(void *ctx, const struct call_result *result)
{
    struct sending *sending = ctx;
    struct sender *s = sending->sender;
    struct send_response response;
    char why[256];
    s->under_way--;
    bool degraded = result->err == 0 && result->header.code >= RESP_FLUSH_DISK_TIMEOUT &&
                    result->header.code <= RESP_FLUSH_SLAVE_TIMEOUT; /* stored all the same */
    if (s->cli.has_failed || s->cli.is_closing) {
        free(sending);
        return;
    }
    if (!degraded && call_failure(result, why, sizeof why)) {
        cli_fail(&s->cli, "broker %s: %s", sending->broker_name, why);
    } else if (answer_send(result, &response) != 0) {
        cli_fail(&s->cli, "broker %s: the answer is not understood", sending->broker_name);
    } else {
        s->stored++;
        if (!s->is_quiet)
            printf("%s/%d %lld %.*s\n", sending->broker_name, response.queue_id,
                   (long long)response.queue_offset, SLICE_FMT(response.msg_id));
        send_more(s);
    }
    free(sending);
}

static struct slice make_properties(struct sender *s, struct arena *arena)
{
    char uniq_key[32];
    struct property_change changes[4];
    int count = 0;
    uniq_key_next(&s->uniq_keys, clock_wall_ms(), uniq_key);
    changes[count++] =
        (struct property_change){ SLICE(PROPERTY_UNIQ_KEY), slice_of(uniq_key, sizeof uniq_key) };
    changes[count++] = (struct property_change){ SLICE(PROPERTY_WAIT), SLICE("true") };
    if (s->tag != NULL)
        changes[count++] = (struct property_change){ SLICE(PROPERTY_TAGS), slice_str(s->tag) };
    if (s->key != NULL)
        changes[count++] = (struct property_change){ SLICE(PROPERTY_KEYS), slice_str(s->key) };
    return properties_edit(slice_of(NULL, 0), changes, count, arena);
}

static void send_one(struct sender *s, const struct route_queue *to)
{
    struct sending *sending = memory_take(sizeof *sending);
    sending->sender = s;
    snprintf(sending->broker_name, sizeof sending->broker_name, "%.*s", SLICE_FMT(to->broker_name));
    struct arena arena;
    arena_init(&arena);
    struct send_request fields = {
        .producer_group = SLICE("ramjet-send"),
        .topic = s->topic,
        .default_topic = SLICE(TOPIC_AUTO_CREATE),
        .default_topic_queue_nums = NEW_TOPIC_QUEUES,
        .queue_id = to->queue_id,
        .born_timestamp = clock_wall_ms(),
        .properties = make_properties(s, &arena),
        .max_reconsume_times = -1,
    };
    s->started++;
    s->under_way++;
    call_send(s->cli.client, to->address, &fields, slice_of(s->body, s->body_bytes), sent, sending);
    arena_fini(&arena);
}

/* Makes the next line of standard input the body; false at its end. Empty lines are passed over: a
 * message needs a body. */
static bool next_line(struct sender *s)
{
    do {
        size_t room = 0;
        free(s->body);
        s->body = NULL;
        ssize_t len = getline(&s->body, &room, stdin);
        if (len < 0)
            return false;
        s->body_bytes = (size_t)len - (s->body[len - 1] == '\n' ? 1 : 0);
    } while (s->body_bytes == 0);
    return true;
}

static void send_over(struct sender *s, const struct route *route, int32_t queues_most)
{
    int window = s->from_stdin ? 1 : WINDOW; /* a line typed is answered before the next is read */
    int usable = 0;
    for (int i = 0; i < route->writable_count; i++)
        usable += route->writable[i].queue_id < queues_most;
    if (usable == 0) {
        cli_fail(&s->cli, "no queue of topic %.*s can be written", SLICE_FMT(s->topic));
        return;
    }
    while (s->started < s->count && s->under_way < window) {
        if (s->from_stdin && !next_line(s)) {
            s->count = s->started;
            break;
        }
        int skip = (int)(s->started % usable);
        int i = 0;
        while (route->writable[i].queue_id >= queues_most || skip-- > 0)
            i++;
        send_one(s, &route->writable[i]);
    }
    if (s->started == s->count && s->under_way == 0)
        cli_end(&s->cli);
}

static void got_template_route(void *ctx, const struct route *route, bool no_such_topic,
                               const char *why)
{
    struct sender *s = ctx;
    s->is_routing = false;
    if (route != NULL)
        send_over(s, route, NEW_TOPIC_QUEUES);
    else
        cli_fail_route(&s->cli, s->topic, no_such_topic, why);
}

static void got_route(void *ctx, const struct route *route, bool no_such_topic, const char *why)
{
    struct sender *s = ctx;
    s->is_routing = false;
    if (route != NULL) {
        send_over(s, route, INT32_MAX);
    } else if (no_such_topic) {
        s->is_routing = true;
        routes_find(s->cli.routes, SLICE(TOPIC_AUTO_CREATE), got_template_route, s);
    } else {
        cli_fail_route(&s->cli, s->topic, no_such_topic, why);
    }
}

static void send_more(struct sender *s)
{
    if (s->is_routing)
        return;
    s->is_routing = true;
    routes_find(s->cli.routes, s->topic, got_route, s);
}

static void print_summary(const struct sender *s)
{
    if (s->stored < 2 && !s->is_quiet)
        return;
    double elapsed_s = (double)(clock_monotonic_ns() - s->started_ns) / 1e9;
    printf("%lld messages stored in %.3f s\n", (long long)s->stored, elapsed_s);
}

static int run(struct sender *s, const struct cli_target *target)
{
    if (cli_open(&s->cli, "send", target, NULL, NULL) != 0)
        return 1;
    struct host self = { .address = { 127, 0, 0, 1 } };
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    uniq_key_init(&s->uniq_keys, &self, (uint32_t)getpid(), (uint32_t)(seed ^ seed >> 32));
    s->started_ns = clock_monotonic_ns();
    send_more(s);
    cli_run(&s->cli);
    bool complete = !s->cli.has_failed && s->stored == s->count;
    cli_close(&s->cli, NULL, NULL);
    print_summary(s);
    return complete ? 0 : 1;
}

/* Properties are text between control bytes, which must not be in it. */
static bool property_allowed(const char *option, const char *text)
{
    if (text == NULL || (text[0] != '\0' && strpbrk(text, "\001\002") == NULL))
        return true;
    fprintf(stderr, "ramjet send: --%s must not be empty or hold control bytes\n", option);
    return false;
}

static char *filler(size_t bytes)
{
    char *body = memory_take(bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (char)('a' + i % 26);
    return body;
}

/* What is sent: the words of the command line, or so many bytes. False, with a complaint, when they
 * do not go together. */
static bool take_words(struct sender *s, char **words, int word_count, int64_t count, int64_t size)
{
    const char *body = word_count == 2 ? words[1] : NULL;
    s->from_stdin = body != NULL && strcmp(body, "-") == 0;
    if (body != NULL && size >= 0)
        fprintf(stderr, "ramjet send: there is a BODY and --size\n");
    else if (s->from_stdin && count >= 0)
        fprintf(stderr, "ramjet send: each line of standard input is sent once, without --count\n");
    if ((body != NULL && size >= 0) || (s->from_stdin && count >= 0) ||
        !property_allowed("tag", s->tag) || !property_allowed("key", s->key) ||
        !option_topic("send", words[0]))
        return false;
    s->topic = slice_str(words[0]);
    s->count = s->from_stdin ? INT64_MAX : count < 0 ? 1 : count;
    if (!s->from_stdin) {
        s->body = size >= 0 ? filler((size_t)size)
                            : memory_text(slice_str(body != NULL ? body : "hello"));
        s->body_bytes = size >= 0 ? (size_t)size : strlen(s->body);
    }
    return true;
}

int cmd_send(int argc, char **argv)
{
    struct sender sender = { 0 };
    struct cli_target target = { 0 };
    int64_t size = -1, count = -1;
    const struct option_row rows[] = {
        OPTION_TEXT("tag", "TAG", "a tag that consumers can filter by", &sender.tag),
        OPTION_TEXT("key", "KEY", "a key to find the message by", &sender.key),
        OPTION_NUMBER("count", "N", "so many times (default 1)", &count, 1, SEND_COUNT_MAX),
        OPTION_NUMBER("size", "BYTES", "a body of so many bytes instead of BODY", &size, 1,
                      SEND_BODY_MAX),
        OPTION_FLAG("quiet", "print a summary only", &sender.is_quiet),
        CLI_TARGET_ROWS(&target),
    };
    const struct options options = {
        "send", about, rows, sizeof rows / sizeof rows[0], .least_words = 1, .most_words = 2
    };
    char **words;
    int word_count;
    int code = options_read(&options, argc, argv, &words, &word_count);
    if (code != OPTIONS_GO_ON)
        return code;
    if (!take_words(&sender, words, word_count, count, size))
        return options_refuse("send");
    code = run(&sender, &target);
    free(sender.body);
    return code;
}
