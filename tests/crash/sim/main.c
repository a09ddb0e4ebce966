/* main.c - runs histories: a disk, a store on it, lives that end in crashes, and what must hold.
 *
 *   sim [--seed N] [--runs N] [--seconds N] [--verbose]
 *
 * Ends with 1 at the first violation, with the seed that replays it. SIGTERM or SIGINT: after this
 * history, with the counts so far.
 */
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "batches.h"
#include "history.h"
#include "meta/meta.h"
#include "waiting.h"

enum {
    LOG_FILE = 32768,
    QUEUE_FILE = 8000,
    SHORT_QUEUE_FILE = 20 * 30,
    BATCH_QUEUE_FILE = 20 * 46
};
#define ROOT "/sim/store"
#define TABLE "/sim/store/config/consumerOffset.json"

static const char *program;
static uint64_t seed;
static bool is_verbose;
static struct store *store;
static struct store_options options;
static enum machine_end last_end; /* how the life before ended */
static bool life_sync_failed;     /* a sync failed in the life before */
static struct disk_faults life_faults;
static int ops_left;
static int producers_left;
static bool ends_cleanly;
static bool was_refused;
static bool has_waiting; /* delays, timers, transactions too */
static int64_t table_writing;
static volatile sig_atomic_t is_asked_to_end;

static struct {
    uint64_t histories, lives, kills, power_losses, clean_ends, refusals, puts, fills, events,
        faults;
} total;

/* ---- the program's own ends ------------------------------------------------------------------ */

void violation(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "VIOLATION ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nreplay: %s --seed %llu --runs 1 --verbose\n", program,
            (unsigned long long)seed);
    _exit(1);
}

ssize_t __real_write(int fd, const void *data, size_t len);

static void died(int number)
{
    char text[320];
    snprintf(text, sizeof text,
             "\nVIOLATION signal %d\nreplay: %.200s --seed %llu --runs 1 --verbose\n", number,
             program, (unsigned long long)seed);
    if (__real_write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(2);
    _exit(1);
}

void __wrap_log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void __wrap_log_write(enum log_level level, const char *format, ...)
{
    if (!is_verbose)
        return;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%12.3f %d ", (double)machine_now_ns() / 1e6 - 1.7e12, (int)level);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void say(const char *format, ...)
{
    va_list args;
    if (!is_verbose)
        return;
    va_start(args, format);
    fprintf(stderr, "%12.3f -- ", (double)machine_now_ns() / 1e6 - 1.7e12);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- a life ---------------------------------------------------------------------------------- */

static void on_flushed(void *ctx)
{
    (void)ctx;
    if (store == NULL)
        return;
    history_note_flushed(store_flushed_to(store));
    waiting_note_flushed(store_flushed_to(store));
    batches_note_flushed(store_flushed_to(store));
}

static void on_arrival(void *ctx, const struct store_arrival *arrival)
{
    (void)ctx;
    waiting_arrived(arrival);
}

enum { BATCH_MAX = 4, BODY_MAX = 8192, PROPERTIES_MAX = 160 };

struct batch {
    struct record records[BATCH_MAX];
    uint8_t bodies[BATCH_MAX][BODY_MAX];
    char properties[BATCH_MAX][PROPERTIES_MAX];
    int64_t places[BATCH_MAX];
};

/* By the flusher, or on this thread, as the broker does. */
static void flush_to(int64_t end_phy_offset)
{
    if (chance_one_in(2))
        store_request_flush(store, end_phy_offset);
    else if (store_flush_here(store))
        on_flushed(NULL);
}

static void put_batch(struct batch *batch, int id, int count)
{
    struct store_put_result result;
    for (int i = 0; i < count; i++)
        history_record(id + i, &batch->records[i], batch->bodies[i], batch->properties[i],
                       PROPERTIES_MAX);
    int err =
        store_put(store, batch->records, count, machine_now_ns() / 1000000, &result, batch->places);
    total.puts++;
    if (err == 0) {
        history_stored(id, count, &result, batch->places);
        if (options.sync_flush || chance_one_in(20))
            flush_to(result.end_phy_offset);
        return;
    }
    say("put of %d refused: %s", id, err_name(err));
    for (int i = 0; i < count; i++)
        history.messages[id + i].state = MESSAGE_REFUSED;
}

static void put_some(void)
{
    int topic = (int)chance_below((uint32_t)history.topic_count);
    bool takes_no_place = chance_one_in(12);
    int count = takes_no_place || !chance_one_in(5) ? 1 : 1 + (int)chance_below(BATCH_MAX);
    if (history.topics[topic].is_deleted)
        return;
    int id = history_send(topic, (int)chance_below(QUEUES), count, takes_no_place);
    if (id < 0)
        return;
    struct batch *batch = malloc(sizeof *batch);
    put_batch(batch, id, count);
    free(batch);
}

static void *run_producer(void *arg)
{
    (void)arg;
    while (ops_left > 0) {
        ops_left--;
        put_some();
        batches_put(store);
        if (chance_one_in(3))
            machine_sleep_ms(chance_below(chance_one_in(10) ? 2000 : 30));
    }
    producers_left--;
    return NULL;
}

/* Reads somewhere; whatever comes must be right. */
static void read_some(void)
{
    struct buf body = BUF_INIT;
    int topic = (int)chance_below((uint32_t)history.topic_count);
    struct store_get_request request = { .topic = slice_str(history.topics[topic].name),
                                         .queue_id = (int32_t)chance_below(QUEUES),
                                         .max_count = 8,
                                         .max_bytes = 65536,
                                         .may_block = chance_one_in(2) };
    struct store_get_result result;
    int64_t max = store_queue_max(store, request.topic, request.queue_id);
    request.queue_offset = max == 0 ? 0 : (int64_t)chance_below((uint32_t)max);
    int err = store_get(store, &request, &body, &result);
    struct slice rest = buf_slice(&body);
    for (int i = 0; err == 0 && i < result.count; i++) {
        struct record record;
        if (record_decode(rest, RECORD_CHECK_BODY_CRC, &record) != 0)
            violation("what was served is no record");
        history_check_served(&record);
        rest = slice_from(rest, (size_t)record.total_bytes);
    }
    buf_fini(&body);
}

static void write_table(void)
{
    char text[600];
    int64_t version = history.table_version + 1;
    if (table_writing > history.table_version) /* a write that failed or was cut off counts too */
        version = table_writing + 1;
    table_writing = version;
    int len = snprintf(text, sizeof text, "{\"version\":%lld,\"pad\":\"%0*d\"}", (long long)version,
                       (int)chance_below(400) + 1, 0);
    if (table_file_write(TABLE, slice_of((const uint8_t *)text, (size_t)len)) == 0)
        history.table_version = version;
}

static bool takes_table(void *ctx, struct slice text)
{
    long long version;
    char copy[700];
    if (text.len < 12 || text.len >= sizeof copy || text.data[text.len - 1] != '}')
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (sscanf(copy, "{\"version\":%lld,", &version) != 1)
        return false;
    *(int64_t *)ctx = version;
    return true;
}

static void check_table(void)
{
    int64_t version = 0;
    int err = table_file_read(TABLE, takes_table, &version);
    if (!history.has_promises) /* a table's text has no checksum */
        return;
    if (err == 0 && version > table_writing)
        violation("the table has version %lld, which nobody wrote", (long long)version);
    if (err != 0 && history.table_version > 0)
        violation("the table cannot be read: %s", err_name(err));
    if (version < history.table_version)
        violation("the table has version %lld, %lld was acknowledged", (long long)version,
                  (long long)history.table_version);
}

static void change_topics(void)
{
    int topic = (int)chance_below((uint32_t)history.topic_count);
    bool is_deleted = history.topics[topic].is_deleted;
    if (chance_one_in(3))
        (void)history_new_topic(); /* -1: there are enough */
    if (is_deleted && chance_one_in(2)) {
        say("make %s again", history.topics[topic].name);
        history_topic_made_again(topic);
    }
    if (!is_deleted && chance_one_in(3)) {
        say("delete %s", history.topics[topic].name);
        history_topic_deleted(topic);
        store_delete_topic(store, slice_str(history.topics[topic].name));
    }
}

static void do_something(void)
{
    switch (chance_below(24)) {
    case 0:
        if (has_waiting) /* what waits would go with the first files */
            break;
        disk_fill_percent = chance_one_in(3) ? 95 : chance_one_in(2) ? 80 : 10;
        store_clean_now(store);
        break;
    case 1:
        change_topics();
        break;
    case 2:
    case 3:
        write_table();
        break;
    case 4:
        machine_sleep_ms(3000);
        break;
    case 5: {
        struct store_state state;
        store_state(store, &state);
        break;
    }
    default:
        read_some();
    }
}

/* What was not flushed may be gone with the page whose sync failed, at a start as in a life. */
static void note_failed_sync(void)
{
    life_sync_failed = life_sync_failed || disk_had_sync_error;
    history.sync_failed = history.sync_failed || life_sync_failed;
}

static void open_store(void)
{
    disk_faults = life_faults;
    store = NULL;
    struct store *opened = NULL;
    int err = store_open(&options, &opened);
    bool had_faults = life_faults.read_error + life_faults.write_error + life_faults.sync_error +
                          life_faults.queue_sync_error + life_faults.log_sync_error +
                          life_faults.full >
                      0;
    disk_faults = (struct disk_faults){ 0 };
    note_failed_sync();
    if (err != 0 && had_faults) {
        say("open failed: %s", err_name(err));
        err = store_open(&options, &opened);
    }
    if (err != 0) {
        if (err != ERR_CORRUPT ||
            (!history.may_refuse && !history.sync_failed && !life_sync_failed))
            violation("the store does not open: %s", err_name(err));
        was_refused = true;
        return;
    }
    store = opened;
}

static void run_life(void)
{
    pthread_t producer;
    open_store();
    if (store == NULL)
        return;
    history_verify(store, last_end, life_sync_failed);
    batches_verify(store, last_end, life_sync_failed);
    check_table();
    if (has_waiting)
        waiting_open(store, ROOT, last_end, life_sync_failed);
    last_end = MACHINE_DONE;
    life_sync_failed = false;
    disk_had_sync_error = false;
    disk_faults = life_faults;
    producers_left = 1 + (int)chance_below(2);
    for (int i = producers_left; i > 0; i--)
        if (pthread_create(&producer, NULL, run_producer, NULL) != 0)
            abort();
    while (producers_left > 0) {
        do_something();
        if (has_waiting)
            waiting_pass();
        machine_sleep_ms(chance_below(40));
    }
    disk_fill_percent = 10;
    if (has_waiting)
        waiting_close();
    int err = store_close(store);
    store = NULL;
    if (err == 0)
        batches_note_flushed(INT64_MAX);
    if (err == 0)
        for (int id = 0; id < history.message_count; id++)
            if (history.messages[id].state == MESSAGE_STORED)
                history.messages[id].is_safe = true;
    bool had_faults = life_faults.write_error + life_faults.sync_error +
                          life_faults.queue_sync_error + life_faults.log_sync_error +
                          life_faults.full + life_faults.read_error >
                      0;
    if (err != 0 && !had_faults)
        violation("the store does not close: %s", err_name(err));
    ends_cleanly = err == 0;
}

/* ---- the last look: what is derived equals what the log says --------------------------------- */

static struct {
    int64_t min, max;
    struct store_queue_entry last;
} derived[TOPICS_MAX][QUEUES];

/* Of the topic as it is now. A queue without may hold what was deleted, once it is built again. */
static bool has_message(int topic, int queue)
{
    for (int id = 0; id < history.message_count; id++) {
        const struct message *message = &history.messages[id];
        if (message->topic == topic && message->queue == queue && message->was_seen &&
            !message->takes_no_place && !history_is_deleted(message))
            return true;
    }
    return false;
}

static void look_at_queues(bool compare)
{
    for (int topic = 0; topic < history.topic_count; topic++)
        for (int queue = 0; queue < QUEUES; queue++) {
            struct slice name = slice_str(history.topics[topic].name);
            struct store_queue_entry last = { 0 };
            int64_t min = store_queue_min(store, name, queue);
            int64_t max = store_queue_max(store, name, queue);
            if (max > min && store_queue_entry_at(store, name, queue, max - 1, &last) != 0)
                violation("queue %d/%d has no last entry", topic, queue);
            if (!compare) {
                derived[topic][queue].min = min;
                derived[topic][queue].max = max;
                derived[topic][queue].last = last;
            } else if (max > min && has_message(topic, queue) &&
                       (derived[topic][queue].max != max ||
                        derived[topic][queue].last.phy_offset != last.phy_offset ||
                        derived[topic][queue].last.tags_code != last.tags_code)) {
                violation("queue %d/%d is %lld..%lld, and %lld..%lld when built from the log",
                          topic, queue, (long long)derived[topic][queue].min,
                          (long long)derived[topic][queue].max, (long long)min, (long long)max);
            }
        }
}

static void look_up_keys(void)
{
    struct buf found = BUF_INIT;
    for (int i = 0; i < 12 && history.message_count > 0; i++) {
        int id = (int)chance_below((uint32_t)history.message_count);
        const struct message *message = &history.messages[id];
        char key[16];
        int64_t last_ms;
        int64_t last_place;
        if (message->state != MESSAGE_STORED || history_is_deleted(message))
            continue;
        snprintf(key, sizeof key, "u%d", id);
        buf_clear(&found);
        struct slice topic = slice_str(history.topics[message->topic].name);
        int count = store_query(store, topic, slice_str(key), 32, 0, INT64_MAX, &found, &last_ms,
                                &last_place);
        int hits = 0;
        struct slice rest = buf_slice(&found);
        for (int k = 0; k < count; k++) {
            struct record record;
            if (record_decode(rest, RECORD_CHECK_BODY_CRC, &record) != 0)
                violation("a query served what is no record");
            if (slice_eq(record.topic, topic)) /* another's key may have the same hash */
                hits += history_check_served(&record) == id;
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        if (hits != 1)
            violation("message %d at phy_offset %lld is found %d times by its key", id,
                      (long long)message->phy_offset, hits);
    }
    buf_fini(&found);
}

static void run_last_look(void)
{
    life_faults = (struct disk_faults){ 0 };
    open_store();
    if (store == NULL)
        return;
    history_verify(store, last_end, life_sync_failed);
    batches_verify(store, last_end, life_sync_failed);
    check_table();
    if (has_waiting) {
        waiting_open(store, ROOT, last_end, life_sync_failed);
        waiting_finish();
        waiting_close();
    }
    look_at_queues(false);
    batches_look(store, false);
    if (history.has_promises && !history.sync_failed)
        look_up_keys();
    if (store_close(store) != 0)
        violation("the last close failed");
    if (!history.has_promises || history.sync_failed)
        return;
    sim_disk_remove_tree(ROOT "/consumequeue");
    sim_disk_remove_tree(ROOT "/batchconsumequeue");
    sim_disk_remove_tree(ROOT "/index");
    sim_disk_remove_tree(ROOT "/checkpoint");
    open_store();
    look_at_queues(true);
    batches_look(store, true);
    look_up_keys();
    if (store_close(store) != 0)
        violation("the close after building again failed");
}

/* Zeros ahead of the log's head: one history in eight has a file system that does not take them. */
bool __real_disk_fill(int fd, const char *path, int64_t from, int64_t len);
bool __wrap_disk_fill(int fd, const char *path, int64_t from, int64_t len);

bool __wrap_disk_fill(int fd, const char *path, int64_t from, int64_t len)
{
    total.fills++;
    return seed % 8 != 7 && __real_disk_fill(fd, path, from, len);
}

/* ---- a history ------------------------------------------------------------------------------- */

static void choose_options(void)
{
    store_options_init(&options);
    options.root_dir = ROOT;
    options.commit_log_file_bytes = LOG_FILE;
    options.consume_queue_file_bytes = seed % 5 == 2 ? SHORT_QUEUE_FILE : QUEUE_FILE;
    options.batch_queue_file_bytes = BATCH_QUEUE_FILE;
    options.next_batch_topic = seed % 3 == 1 ? batches_next_topic : NULL;
    options.index_slot_count = 64;
    options.index_entry_count = 180;
    options.light_queues_enable = history.has_light_queues;
    options.sync_flush = chance_one_in(2);
    options.flush_interval_ms = chance_one_in(2) ? 500 : 20;
    options.queue_flush_interval_ms = chance_one_in(2) ? 1000 : 50;
    options.clean_interval_ms = 5000;
    options.file_reserved_ms = chance_one_in(4) && !has_waiting ? 1000 : 3600000;
    options.message_delay_level = WAITING_DELAY_LEVELS;
    options.on_flushed = on_flushed;
    options.on_arrival = has_waiting ? on_arrival : NULL;
    options.max_message_bytes = 16384;
    options.append_record_crc = true;
    options.scrub_bytes_per_second = chance_one_in(2) ? 65536 : 0;
    options.scrub_first_ms = 1 + chance_below(2000);
}

static void choose_faults(bool has_faults)
{
    life_faults = (struct disk_faults){ .slow = chance_one_in(3) ? 200 : 0,
                                        .short_write = chance_one_in(3) ? 20 : 0 };
    if (!has_faults)
        return;
    if (has_waiting && waiting_is_wide() && chance_one_in(2)) {
        life_faults.timer_sync_error = 2 + chance_below(4);
        return;
    }
    switch (chance_below(7)) {
    case 0:
        life_faults.sync_error = 30 + chance_below(200);
        break;
    case 1:
        life_faults.write_error = 20 + chance_below(200);
        break;
    case 2:
        life_faults.read_error = 20 + chance_below(200);
        break;
    case 3:
        life_faults.full = 5 + chance_below(60);
        break;
    case 4:
        life_faults.queue_sync_error = 3 + chance_below(12);
        break;
    case 5:
        life_faults.log_sync_error = 5 + chance_below(30);
        break;
    default:
        life_faults.sync_error = 300;
        life_faults.write_error = 300;
        life_faults.read_error = 300;
        life_faults.full = 300;
    }
}

static void flip_some(void)
{
    static const char *const dirs[] = { ROOT "/commitlog", ROOT "/consumequeue", ROOT "/index",
                                        ROOT "/config", ROOT };
    char where[256];
    /* One: two that agree with each other may pass any checksum that is not everywhere. */
    if (sim_disk_flip_bit(dirs[chance_below(5)], where, sizeof where))
        say("flipped %s", where);
    /* Right after a loss of power a damaged record cannot be told from a torn one, and what follows
     * on it goes with it. */
    history.flips++;
    if (history.flips > 1 || last_end == MACHINE_POWER_LOST) /* two failures at once: no promise */
        history.flips = MESSAGES_MAX;
    history.has_promises = false;
    history.may_refuse = true;
}

static void end_life(enum machine_end end)
{
    note_failed_sync();
    total.lives++;
    total.events += machine_events();
    total.kills += end == MACHINE_KILLED;
    total.power_losses += end == MACHINE_POWER_LOST;
    total.clean_ends += end == MACHINE_DONE && !was_refused;
    last_end = end > last_end ? end : last_end;
    store = NULL;
    history.flushed = 0; /* the next life says anew what is safe */
    if (end == MACHINE_POWER_LOST) {
        sim_disk_lose_power();
        machine_boot();
    } else {
        sim_disk_forget_process();
        if (chance_one_in(8)) { /* and later, with nothing running, the power goes */
            sim_disk_lose_power();
            machine_boot();
            last_end = MACHINE_POWER_LOST;
        }
    }
    /* After a loss of power a damaged record cannot be told from a torn one, and what follows on it
     * goes with it. */
    if (history.flips > 0 && last_end == MACHINE_POWER_LOST)
        history.flips = MESSAGES_MAX;
    say("life ended: %s after %llu events%s",
        end == MACHINE_DONE     ? "closed"
        : end == MACHINE_KILLED ? "killed"
                                : "power lost",
        (unsigned long long)machine_events(), life_sync_failed ? ", a sync had failed" : "");
}

static void run_history(void)
{
    chance_seed(seed);
    machine_reset();
    sim_disk_reset();
    history_reset();
    has_waiting = chance_one_in(2);
    waiting_reset(has_waiting && seed % 2 == 0, seed % 5 < 2);
    history.has_light_queues = seed % 3 == 0;
    batches_reset(seed % 3 == 1);
    choose_options();
    table_writing = 0;
    was_refused = false;
    last_end = MACHINE_DONE;
    life_sync_failed = false;
    bool has_faults = chance_one_in(4);
    bool has_flips = !has_faults && chance_one_in(6);
    int lives = 2 + (int)chance_below(6);
    for (int life = 0; life < lives && !was_refused; life++) {
        choose_faults(has_faults);
        ops_left = 10 + (int)chance_below(250);
        uint64_t stop_at = chance_one_in(6) ? 0 : 1 + chance_below(1u << (6 + chance_below(9)));
        say("life %d: sync=%d faults=%d stops at event %llu", life, options.sync_flush, has_faults,
            (unsigned long long)stop_at);
        ends_cleanly = false;
        end_life(
            machine_run(run_life, stop_at, chance_one_in(2) ? MACHINE_KILLED : MACHINE_POWER_LOST));
        if (has_flips && chance_one_in(2))
            flip_some();
    }
    if (!was_refused)
        end_life(machine_run(run_last_look, 0, MACHINE_DONE));
    total.refusals += was_refused;
    total.faults += has_faults || has_flips;
    total.histories++;
}

static void ask_to_end(int number)
{
    (void)number;
    is_asked_to_end = 1;
}

int main(int argc, char **argv)
{
    uint64_t runs = 1000;
    uint64_t seconds = 0;
    program = argv[0];
    seed = (uint64_t)time(NULL) * 1000000 + (uint64_t)getpid() % 1000000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            is_verbose = true;
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--runs") == 0)
            runs = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
            seconds = strtoull(argv[++i], NULL, 10);
        else {
            fprintf(stderr, "usage: sim [--seed N] [--runs N] [--seconds N] [--verbose]\n");
            return 2;
        }
    }
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    signal(SIGTERM, ask_to_end);
    signal(SIGINT, ask_to_end);
    setenv("TZ", "UTC", 1);
    uint64_t first_seed = seed;
    printf("seeds from %llu\n", (unsigned long long)first_seed);
    fflush(stdout); /* also when something else ends the run */
    time_t started = time(NULL);
    for (uint64_t run = 0; !is_asked_to_end &&
                           (seconds > 0 ? (uint64_t)(time(NULL) - started) < seconds : run < runs);
         run++, seed++)
        run_history();
    double took = difftime(time(NULL), started);
    printf("histories=%llu crashes=%llu kills=%llu power_losses=%llu clean_ends=%llu refusals=%llu "
           "with_faults=%llu puts=%llu fills=%llu events=%llu seeds=%llu..%llu seconds=%.0f "
           "violations=0\n",
           (unsigned long long)total.histories,
           (unsigned long long)(total.kills + total.power_losses), (unsigned long long)total.kills,
           (unsigned long long)total.power_losses, (unsigned long long)total.clean_ends,
           (unsigned long long)total.refusals, (unsigned long long)total.faults,
           (unsigned long long)total.puts, (unsigned long long)total.fills,
           (unsigned long long)total.events, (unsigned long long)first_seed,
           (unsigned long long)seed - 1, took);
    return 0;
}
