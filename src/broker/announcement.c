/* announcement.c - walks the topic table and writes what name servers are told. */
#include "broker/announcement.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/body_register.h"

/* A topic takes some hundred bytes: so many fit well into a frame. */
enum { PART_TOPICS = 20000 };
enum { STEP_TOPICS = 128 };

struct announcement {
    struct broker *broker;
    void (*made)(void *ctx);
    void *ctx;
    struct register_writer writer;
    struct buf body;
    struct loop_timer timer; /* the next step */
    struct job job;          /* packs the body */
    size_t cursor;
    uint32_t layout; /* of the topic table when the walk began */
    size_t told;     /* topics in earlier parts */
    size_t parts;
    uint64_t change_count;
    bool is_under_way;
    bool is_writing; /* the writer is open */
    bool is_packing;
    bool is_last;
};

struct topic_config announced_topic(const struct broker *broker, const struct topic_config *config)
{
    struct topic_config topic = *config;
    topic.perm &= ~(PERM_READ | PERM_WRITE) | broker->conf.broker_permission;
    return topic;
}

static size_t part_topics(const struct announcement *a)
{
    const struct broker_conf *conf = &a->broker->conf;
    return conf->enable_split_registration ? (size_t)conf->split_registration_size
                                           : (size_t)PART_TOPICS;
}

static void drop_writer(struct announcement *a)
{
    if (a->is_writing)
        buf_fini(&a->writer.text);
    a->is_writing = false;
}

static void pack(struct job *job)
{
    struct announcement *a =
        (struct announcement *)((char *)job - offsetof(struct announcement, job));
    register_write_end(&a->writer, NULL, 0, &a->body);
}

static void packed(struct job *job)
{
    struct announcement *a =
        (struct announcement *)((char *)job - offsetof(struct announcement, job));
    a->is_packing = false;
    a->made(a->ctx);
}

/* The part has all its topics. */
static void end_part(struct announcement *a)
{
    a->is_writing = false;
    if (a->writer.compressed && workers_submit(a->broker->workers, a->broker->loop, &a->job) == 0) {
        a->is_packing = true;
        return;
    }
    pack(&a->job);
    a->made(a->ctx);
}

static void begin_part(struct announcement *a)
{
    struct data_version version = *topics_version(a->broker->topics);
    size_t left = topics_count(a->broker->topics) - a->told;
    a->is_last = topics_count(a->broker->topics) < a->told || left <= part_topics(a);
    if (!a->is_last)
        version.timestamp -=
            (int64_t)(a->parts + 1); /* another one than the table's, and each other's */
    a->parts++;
    buf_clear(&a->body);
    register_write_begin(&a->writer, a->broker->conf.compressed_register, &version);
    a->is_writing = true;
}

static void begin_walk(struct announcement *a)
{
    drop_writer(a);
    a->cursor = 0;
    a->told = 0;
    a->parts = 0;
    a->layout = topics_layout(a->broker->topics);
    a->change_count = topics_change_count(a->broker->topics);
    begin_part(a);
}

/* Adds the next topics; begins again when the table was laid out anew meanwhile. */
static void step(struct announcement *a)
{
    const struct topic_config *config;
    if (a->layout != topics_layout(a->broker->topics))
        begin_walk(a);
    for (int i = 0; i < STEP_TOPICS; i++) {
        bool is_full = !a->is_last && a->writer.topic_count >= part_topics(a);
        if (is_full || !topics_next(a->broker->topics, &a->cursor, &config)) {
            a->is_last = !is_full;
            a->told += a->writer.topic_count;
            end_part(a);
            return;
        }
        const struct topic_config topic = announced_topic(a->broker, config);
        register_write_topic(&a->writer, &topic);
    }
    loop_timer_start(a->broker->loop, &a->timer, 0);
}

static void step_due(struct loop_timer *timer)
{
    step((struct announcement *)((char *)timer - offsetof(struct announcement, timer)));
}

void announcement_begin(struct announcement *a)
{
    assert(!a->is_under_way && !a->is_packing);
    a->is_under_way = true;
    begin_walk(a);
    step(a);
}

void announcement_next(struct announcement *a)
{
    assert(a->is_under_way && !a->is_writing && !a->is_packing && !a->is_last);
    begin_part(a);
    step(a);
}

void announcement_end(struct announcement *a)
{
    assert(!a->is_packing);
    loop_timer_stop(&a->timer);
    drop_writer(a);
    buf_fini(&a->body);
    a->is_under_way = false;
}

bool announcement_is_under_way(const struct announcement *a)
{
    return a->is_under_way;
}

bool announcement_is_packing(const struct announcement *a)
{
    return a->is_packing;
}

bool announcement_is_last(const struct announcement *a)
{
    return a->is_last;
}

struct slice announcement_body(const struct announcement *a)
{
    return buf_slice(&a->body);
}

uint64_t announcement_change_count(const struct announcement *a)
{
    return a->change_count;
}

int announcement_new(struct broker *broker, void (*made)(void *ctx), void *ctx,
                     struct announcement **announcement)
{
    struct announcement *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_NO_MEMORY;
    *a = (struct announcement){ .broker = broker, .made = made, .ctx = ctx };
    a->job = (struct job){ .run = pack, .done = packed };
    loop_timer_init(&a->timer, step_due);
    *announcement = a;
    return 0;
}

void announcement_free(struct announcement *a)
{
    if (a == NULL)
        return;
    announcement_end(a);
    free(a);
}
