/* map.c - slots in insertion order, and an open-addressed index of slot numbers beside them, so
 * that walking is a scan and growing moves no value. */
#include "base/map.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

struct map_slot {
    const uint8_t *key; /* NULL: dead */
    void *value;
    uint32_t key_len;
    uint32_t hash;
};

enum { INDEX_CAP_LEAST = 16 };

static uint64_t hash_seed(void)
{
    static uint64_t seed;
    uint64_t seen = __atomic_load_n(&seed, __ATOMIC_RELAXED);
    if (seen != 0)
        return seen;
    uint64_t drawn = 0;
    if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != sizeof drawn)
        drawn = (uint64_t)(uintptr_t)&drawn;
    drawn |= 1;
    uint64_t none = 0;
    __atomic_compare_exchange_n(&seed, &none, drawn, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return __atomic_load_n(&seed, __ATOMIC_RELAXED);
}

/* A multiply-mix of eight bytes a step, in the manner of wyhash. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Of fewer than eight bytes, each of them in it. */
static uint64_t load_short(const uint8_t *at, size_t count)
{
    uint32_t first, last; /* they overlap */
    if (count == 0)
        return 0;
    if (count < sizeof first)
        return at[0] | (uint64_t)at[count / 2] << 8 | (uint64_t)at[count - 1] << 16;
    memcpy(&first, at, sizeof first);
    memcpy(&last, at + count - sizeof last, sizeof last);
    return first | (uint64_t)last << 32;
}

static uint32_t hash_key(struct slice key)
{
    uint64_t h = hash_seed() ^ (key.len * 0x9E3779B97F4A7C15u);
    if (key.len < 8)
        return (uint32_t)mix(h ^ load_short(key.data, key.len), 0xE7037ED1A0B428DBu);
    const uint8_t *last = key.data + key.len - 8; /* it may overlap the word before */
    for (const uint8_t *p = key.data; p < last; p += 8)
        h = mix(h ^ load(p), 0xA0761D6478BD642Fu);
    return (uint32_t)mix(h ^ load(last), 0xE7037ED1A0B428DBu);
}

void map_init(struct map *m)
{
    memset(m, 0, sizeof *m);
}

void map_init_borrowing(struct map *m)
{
    map_init(m);
    m->borrows = true;
}

static void free_key(const struct map *m, const struct map_slot *slot)
{
    if (!m->borrows)
        free((void *)(uintptr_t)slot->key);
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->used; i++)
        free_key(m, &m->slots[i]);
    free(m->slots);
    free(m->index);
    bool borrows = m->borrows;
    map_init(m);
    m->borrows = borrows;
}

/* Where the key stands in the index, or where it would go. */
static size_t find(const struct map *m, struct slice key, uint32_t hash)
{
    size_t at = hash & (m->index_cap - 1);
    for (;; at = (at + 1) & (m->index_cap - 1)) {
        uint32_t entry = m->index[at];
        if (entry == 0)
            return at;
        const struct map_slot *slot = &m->slots[entry - 1];
        if (slot->key != NULL && slot->hash == hash && slot->key_len == key.len &&
            (key.len == 0 || memcmp(slot->key, key.data, key.len) == 0))
            return at;
    }
}

/* Drops dead slots and builds an index with room for as many more as there are live ones. */
static void rebuild(struct map *m)
{
    size_t cap = INDEX_CAP_LEAST;
    while (cap < m->count * 4)
        cap *= 2;
    struct map_slot *slots = memory_take(cap / 2 * sizeof *slots);
    uint32_t *index = memory_zeroed(cap, sizeof *index);
    size_t used = 0;
    for (size_t i = 0; i < m->used; i++) {
        if (m->slots[i].key == NULL)
            continue;
        slots[used++] = m->slots[i];
        size_t at = m->slots[i].hash & (cap - 1);
        while (index[at] != 0)
            at = (at + 1) & (cap - 1);
        index[at] = (uint32_t)used;
    }
    assert(used == m->count);
    free(m->slots);
    free(m->index);
    m->slots = slots;
    m->index = index;
    m->index_cap = cap;
    m->used = used;
    m->layout++;
}

void *map_get(const struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    uint32_t entry = m->index[find(m, key, hash_key(key))];
    return entry == 0 ? NULL : m->slots[entry - 1].value;
}

static const uint8_t *copy_key(struct slice key)
{
    uint8_t *copy = memory_take(key.len + 1);
    if (key.len > 0)
        memcpy(copy, key.data, key.len);
    copy[key.len] = 0;
    return copy;
}

void *map_put(struct map *m, struct slice key, void *value)
{
    assert(value != NULL);
    if (m->used + 1 > m->index_cap / 2)
        rebuild(m);
    assert(key.len <= UINT32_MAX);
    uint32_t hash = hash_key(key);
    size_t at = find(m, key, hash);
    if (m->index[at] != 0) {
        struct map_slot *slot = &m->slots[m->index[at] - 1];
        void *before = slot->value;
        slot->value = value;
        if (m->borrows)
            slot->key = key.data;
        return before;
    }
    const uint8_t *kept = m->borrows ? key.data : copy_key(key);
    assert(kept != NULL);
    m->slots[m->used++] = (struct map_slot){ kept, value, (uint32_t)key.len, hash };
    m->index[at] = (uint32_t)m->used;
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    uint32_t entry = m->index[find(m, key, hash_key(key))];
    if (entry == 0)
        return NULL;
    /* The index entry stays and leads to a dead slot, so that probes past it go on. */
    struct map_slot *slot = &m->slots[entry - 1];
    void *value = slot->value;
    free_key(m, slot);
    slot->key = NULL;
    slot->value = NULL;
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value)
{
    while (*cursor < m->used) {
        const struct map_slot *slot = &m->slots[(*cursor)++];
        if (slot->key == NULL)
            continue;
        *key = slice_of(slot->key, slot->key_len);
        *value = slot->value;
        return true;
    }
    return false;
}
