#include "store/index_feed.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

/* Half of it is what comes in 10 ms at 800,000 messages a second; all of it is in a core's cache.
 */
enum { RING_KEYS = 1 << 14, RING_MASK = RING_KEYS - 1, HALF = RING_KEYS / 2 };
enum { CACHE_LINE_BYTES = 64 };
static_assert((RING_KEYS & RING_MASK) == 0, "places wrap around");

struct index_feed {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t added; /* by who adds; also read by who takes */
    uint64_t seen_taken;                               /* of who adds */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t taken; /* by who takes */
    struct index_key ring[RING_KEYS];
};

struct index_feed *index_feed_new(void)
{
    struct index_feed *feed = aligned_alloc(CACHE_LINE_BYTES, sizeof *feed);
    if (feed == NULL)
        memory_none(sizeof *feed);
    atomic_init(&feed->added, 0);
    atomic_init(&feed->taken, 0);
    feed->seen_taken = 0;
    return feed;
}

void index_feed_free(struct index_feed *feed)
{
    free(feed);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static bool has_room(struct index_feed *feed, uint64_t added, int count)
{
    if (added - feed->seen_taken + (uint64_t)count <= RING_KEYS)
        return true;
    feed->seen_taken = atomic_load_explicit(&feed->taken, memory_order_acquire);
    assert(feed->seen_taken <= added);
    return added - feed->seen_taken + (uint64_t)count <= RING_KEYS;
}

static int keys_of_first(const struct index_key *keys, int count)
{
    int used = 1;
    while (keys[used - 1].record_bytes == 0)
        used++;
    assert(used <= count && used <= INDEX_FED_KEYS_MAX);
    return used;
}

/* Member by member: behind the copy of a record into the log what was just stored cannot be loaded
 * by longer pieces before that copy has left the core. */
static void put_key(struct index_key *to, const struct index_key *key, int64_t phy_offset)
{
    to->phy_offset = phy_offset;
    to->store_ms = key->store_ms;
    to->hash = key->hash;
    to->record_bytes = key->record_bytes;
}

bool index_feed_add(struct index_feed *feed, int64_t phy_offset, const struct index_key *keys,
                    int count)
{
    uint64_t before = atomic_load_explicit(&feed->added, memory_order_relaxed);
    uint64_t added = before;
    while (count > 0) {
        int used = keys_of_first(keys, count);
        if (!has_room(feed, added, used))
            break;
        for (int i = 0; i < used; i++)
            put_key(&feed->ring[added++ & RING_MASK], &keys[i], phy_offset);
        phy_offset += keys[used - 1].record_bytes;
        keys += used;
        count -= used;
    }
    atomic_store_explicit(&feed->added, added, memory_order_release);
    return ((before ^ added) & HALF) != 0;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* The keys of the record that stands at `at` of the ring; returns how many, those of no key not
 * among them. */
static int take_record(const struct index_feed *feed, uint64_t *at, int64_t *phy_offset,
                       struct index_key *keys)
{
    int count = 0;
    const struct index_key *key;
    do {
        key = &feed->ring[(*at)++ & RING_MASK];
        assert(key->phy_offset == *phy_offset);
        if (key->hash != INDEX_NO_KEY)
            keys[count++] = *key;
    } while (key->record_bytes == 0);
    *phy_offset += key->record_bytes;
    return count;
}

int index_feed_take(struct index_feed *feed, int64_t *phy_offset, int *records,
                    struct index_key *keys, int most)
{
    uint64_t added = atomic_load_explicit(&feed->added, memory_order_acquire);
    uint64_t at = atomic_load_explicit(&feed->taken, memory_order_relaxed);
    int count = 0;
    assert(most >= INDEX_FED_KEYS_MAX);
    while (at != added && feed->ring[at & RING_MASK].phy_offset < *phy_offset)
        at++; /* read from the log already */
    while (at != added && feed->ring[at & RING_MASK].phy_offset == *phy_offset &&
           count + INDEX_FED_KEYS_MAX <= most) {
        count += take_record(feed, &at, phy_offset, keys + count);
        ++*records;
    }
    atomic_store_explicit(&feed->taken, at, memory_order_release);
    return count;
}
