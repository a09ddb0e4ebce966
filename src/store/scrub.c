/* scrub.c - looks for what has rotted and nobody has read: the whole log, slowly, again and again.
 *
 * A thread reads so many bytes a second, as far as everything is on the disk: each record with all
 * its checksums, and the entry its queue has for it. A damaged record is counted and logged
 * (record_damaged), and stays for a repair. A damaged entry is derived, and put right. A round is
 * followed by a rest; the thread then sleeps.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "store/get_record.h"
#include "store/log_reader.h"
#include "store/store_internal.h"
#include "wire/multi_dispatch.h"

enum { FIRST_ROUND_MS = 60000, REST_MS = 3600000 };
/* Of what is read in a second so much at once: in one piece it would be milliseconds. */
enum { TICKS_PER_S = 20, TICK_MS = 1000 / TICKS_PER_S };

struct scrub {
    struct store *store;
    struct log_reader reader;
    struct log_reader looker;
    int64_t at; /* phy_offset of the next record */
    int64_t records;
    int64_t damaged;
    int64_t mended;
};

static void check_entry(struct scrub *scrub, struct slice topic, int32_t queue_id,
                        const struct store_queue_entry *entry)
{
    struct consume_queue *queue;
    if (queues_find(scrub->store->queues, topic, queue_id, true, &queue) == 0 &&
        consume_queue_mend(queue, entry, &scrub->looker) == 1)
        scrub->mended++;
}

static void check_entries(struct scrub *scrub, const struct record *record)
{
    struct store_queue_entry entry;
    struct multi_dispatch list;
    struct slice name;
    if (!store_entry_of(scrub->store, record, &entry))
        return;
    check_entry(scrub, record->topic, record->queue_id, &entry);
    if (!store_light_queues_of(scrub->store, record, &list))
        return;
    entry.count = 1;
    while (multi_dispatch_next(&list, &name, &entry.queue_offset))
        check_entry(scrub, name, 0, &entry);
}

/* Looks at the record at scrub->at and goes on behind it. */
static void scrub_one(struct scrub *scrub, int64_t upto)
{
    struct store *store = scrub->store;
    struct record record;
    int64_t file_bytes = commit_log_file_bytes(store->log);
    int64_t file_end = (scrub->at / file_bytes + 1) * file_bytes;
    int err = log_reader_record(&scrub->reader, scrub->at, RECORD_CHECK_ALL, &record);
    if (err == 0) {
        int64_t end = scrub->at + record.total_bytes;
        assert(end <= file_end);
        scrub->records++;
        check_entries(scrub, &record);
        scrub->at = end;
        return;
    }
    if (err == ERR_CORRUPT) {
        scrub->damaged++;
        store_note_damage(store, scrub->at, SLICE(""), -1, -1);
        int64_t next = store_next_record(store, &scrub->reader, scrub->at + 1);
        scrub->at = next < 0 || next > upto ? upto : next;
        return;
    }
    scrub->at = file_end < upto ? file_end : upto; /* the end mark; or what could not be read */
}

/* Under the lock. True when the thread is to end. */
static bool wait_ms(struct store *store, int64_t ms)
{
    assert(lock_is_held(&store->scrub_lock));
    int64_t due_ns = clock_monotonic_ns() + ms * 1000000;
    while (!store->scrub_is_ending &&
           lock_wait_until(&store->scrub_lock, &store->scrub_wake, due_ns))
        ;
    return store->scrub_is_ending;
}

static void *run_scrubber(void *arg)
{
    struct store *store = arg;
    struct scrub scrub = { .store = store };
    log_reader_init(&scrub.reader, store->log);
    log_reader_init_jumping(&scrub.looker, store->log);
    thread_stand_back();
    lock_take(&store->scrub_lock);
    int64_t pause_ms = store->options.scrub_first_ms;
    while (!wait_ms(store, pause_ms)) {
        lock_release(&store->scrub_lock);
        int64_t upto = atomic_load(&store->durable);
        int64_t budget = store->options.scrub_bytes_per_second / TICKS_PER_S + 1;
        int64_t from = scrub.at;
        while (scrub.at < upto && scrub.at - from < budget) {
            if (scrub.at < commit_log_min(store->log))
                from = scrub.at = commit_log_min(store->log);
            if (scrub.at < upto)
                scrub_one(&scrub, upto);
            assert(scrub.at > from || scrub.at >= upto); /* it gets on, whatever stands there */
        }
        pause_ms = TICK_MS;
        if (scrub.at >= upto) {
            log_info("scrub_done records=%lld damaged=%lld entries_mended=%lld",
                     (long long)scrub.records, (long long)scrub.damaged, (long long)scrub.mended);
            scrub.at = scrub.records = scrub.damaged = scrub.mended = 0;
            pause_ms = REST_MS;
        }
        lock_take(&store->scrub_lock);
    }
    lock_release(&store->scrub_lock);
    log_reader_fini(&scrub.looker);
    log_reader_fini(&scrub.reader);
    return NULL;
}

int store_scrubber_start(struct store *store)
{
    assert(!store->has_scrubber);
    if (store->options.scrub_bytes_per_second == 0)
        return 0;
    if (store->options.scrub_first_ms == 0)
        store->options.scrub_first_ms = FIRST_ROUND_MS;
    int err = thread_start(&store->scrubber, "scrubber", run_scrubber, store);
    store->has_scrubber = err == 0;
    return err;
}

void store_scrubber_stop(struct store *store)
{
    if (!store->has_scrubber)
        return;
    lock_take(&store->scrub_lock);
    store->scrub_is_ending = true;
    pthread_cond_signal(&store->scrub_wake);
    lock_release(&store->scrub_lock);
    pthread_join(store->scrubber, NULL);
    store->has_scrubber = false;
}
