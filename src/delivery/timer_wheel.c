/* timer_wheel.c - slots of the file `timerwheel`.
 *
 * One slot: 32 bytes, big-endian; its place is tick mod the number of slots.
 *
 *   0      8           16         24      28      32
 *   | tick | first_pos | last_pos | count | magic |
 *
 * A slot keeps its values when its tick is over: whether it counts is told by `tick`.
 */
#include "delivery/timer_wheel.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
    SLOT_TICK = 0,
    SLOT_FIRST_POS = 8,
    SLOT_LAST_POS = 16,
    SLOT_COUNT = 24,
    SLOT_MAGIC = 28,
    SLOT_BYTES = 32
};
static_assert(SLOT_FIRST_POS == SLOT_TICK + sizeof(int64_t), "no padding");
static_assert(SLOT_LAST_POS == SLOT_FIRST_POS + sizeof(int64_t), "no padding");
static_assert(SLOT_COUNT == SLOT_LAST_POS + sizeof(int64_t), "no padding");
static_assert(SLOT_MAGIC == SLOT_COUNT + sizeof(int32_t), "no padding");
static_assert(SLOT_BYTES == SLOT_MAGIC + sizeof(int32_t), "no padding");
enum { SLOTS_PER_READ = 2048, BLOCK_BYTES = SLOTS_PER_READ * SLOT_BYTES };

static const struct timer_slot empty_slot = { .first_pos = TIMER_NO_POS, .last_pos = TIMER_NO_POS };

int64_t timer_wheel_place(const struct timer_wheel *wheel, int64_t tick)
{
    assert(tick >= 0);
    return tick % wheel->slots * SLOT_BYTES;
}

/* What `at` says about `tick`. */
static struct timer_slot slot_of(const uint8_t *at, int64_t tick)
{
    int64_t holder = (int64_t)get_be64(at + SLOT_TICK);
    if (holder != tick) {
        struct timer_slot none = empty_slot;
        none.holder = (int64_t)get_be64(at + SLOT_LAST_POS) < 0 ? tick : holder;
        return none;
    }
    struct timer_slot slot = { .holder = tick,
                               .first_pos = (int64_t)get_be64(at + SLOT_FIRST_POS),
                               .last_pos = (int64_t)get_be64(at + SLOT_LAST_POS),
                               .count = (int32_t)get_be32(at + SLOT_COUNT) };
    if (slot.last_pos < TIMER_NO_POS) /* its sign has turned */
        slot.last_pos &= INT64_MAX;
    if (slot.last_pos < 0)
        return empty_slot;
    if (slot.first_pos < 0 || slot.first_pos > slot.last_pos)
        slot.first_pos = 0; /* it has turned: any before the last will do */
    return slot;
}

int timer_wheel_open(const char *path, int64_t slots, struct timer_wheel *wheel)
{
    assert(slots > 2 * TIMER_WHEEL_BLANK_SLOTS);
    int len = snprintf(wheel->path, sizeof wheel->path, "%s", path);
    assert(len > 0 && (size_t)len < sizeof wheel->path);
    wheel->slots = slots;
    wheel->is_new = timer_file_is_new(path);
    int err = timer_file_open(path, slots * SLOT_BYTES, &wheel->fd);
    if (err != 0)
        return err;
    err = timer_file_sync_name(path);
    if (err != 0)
        timer_wheel_close(wheel);
    return err;
}

void timer_wheel_close(struct timer_wheel *wheel)
{
    close(wheel->fd);
    wheel->fd = -1;
}

int timer_wheel_get(const struct timer_wheel *wheel, int64_t tick, struct timer_slot *slot)
{
    uint8_t bytes[SLOT_BYTES];
    int err = timer_file_read(wheel->fd, wheel->path, bytes, sizeof bytes,
                              timer_wheel_place(wheel, tick));
    if (err == 0)
        *slot = slot_of(bytes, tick);
    return err;
}

int timer_wheel_put(const struct timer_wheel *wheel, int64_t tick, const struct timer_slot *slot)
{
    assert(slot->first_pos >= 0 && slot->first_pos <= slot->last_pos);
    uint8_t bytes[SLOT_BYTES];
    put_be64(bytes + SLOT_TICK, (uint64_t)tick);
    put_be64(bytes + SLOT_FIRST_POS, (uint64_t)slot->first_pos);
    put_be64(bytes + SLOT_LAST_POS, (uint64_t)slot->last_pos);
    put_be32(bytes + SLOT_COUNT, (uint32_t)slot->count);
    put_be32(bytes + SLOT_MAGIC, 0);
    return timer_file_write(wheel->fd, wheel->path, bytes, sizeof bytes,
                            timer_wheel_place(wheel, tick));
}

/* How many slots from `tick` on lie behind one another, at most `most`. */
static int64_t run_of(const struct timer_wheel *wheel, int64_t tick, int64_t most)
{
    int64_t up_to_end = wheel->slots - tick % wheel->slots;
    int64_t run = most < SLOTS_PER_READ ? most : SLOTS_PER_READ;
    run = run < up_to_end ? run : up_to_end;
    assert(run > 0 && run <= SLOTS_PER_READ);
    return run;
}

int timer_wheel_next(const struct timer_wheel *wheel, int64_t from, int64_t upto, int64_t *tick,
                     struct timer_slot *slot)
{
    assert(from >= 0 && from <= upto && upto - from <= wheel->slots);
    uint8_t block[BLOCK_BYTES];
    while (from < upto) {
        int64_t run = run_of(wheel, from, upto - from);
        int err = timer_file_read(wheel->fd, wheel->path, block, (size_t)run * SLOT_BYTES,
                                  timer_wheel_place(wheel, from));
        if (err != 0)
            return err;
        for (int64_t i = 0; i < run; i++) {
            *slot = slot_of(block + i * SLOT_BYTES, from + i);
            if (slot->last_pos >= 0) {
                *tick = from + i;
                return 0;
            }
        }
        from += run;
    }
    *tick = upto;
    *slot = empty_slot;
    return 0;
}

int timer_wheel_empty(const struct timer_wheel *wheel, int64_t place)
{
    static const uint8_t zeros[SLOT_BYTES];
    assert(place >= 0 && place % SLOT_BYTES == 0);
    return timer_file_write(wheel->fd, wheel->path, zeros, sizeof zeros, place);
}

/* Calls `each` for every slot that has a tick, as they lie; ends with the first error. */
typedef int each_slot(void *ctx, int64_t place, const uint8_t *slot);

static int each_used_slot(const struct timer_wheel *wheel, each_slot *each, void *ctx)
{
    uint8_t block[BLOCK_BYTES];
    const int64_t bytes = wheel->slots * SLOT_BYTES;
    int err = 0;
    for (int64_t at = 0; err == 0 && at < bytes; at += BLOCK_BYTES) {
        size_t len = at + BLOCK_BYTES <= bytes ? BLOCK_BYTES : (size_t)(bytes - at);
        err = timer_file_read(wheel->fd, wheel->path, block, len, at);
        for (size_t i = 0; err == 0 && i < len; i += SLOT_BYTES)
            if (get_be64(block + i + SLOT_TICK) != 0)
                err = each(ctx, at + (int64_t)i, block + i);
    }
    return err;
}

struct clearing {
    const struct timer_wheel *wheel;
    int64_t from, upto;
};

static int clear_slot(void *ctx, int64_t place, const uint8_t *slot)
{
    const struct clearing *c = ctx;
    int64_t tick = (int64_t)get_be64(slot + SLOT_TICK);
    return tick >= c->from && tick < c->upto ? timer_wheel_empty(c->wheel, place) : 0;
}

int timer_wheel_clear(const struct timer_wheel *wheel, int64_t from, int64_t upto)
{
    assert(from >= 0 && from <= upto);
    struct clearing clearing = { wheel, from, upto };
    return each_used_slot(wheel, clear_slot, &clearing);
}

struct cutting {
    const struct timer_wheel *wheel;
    int64_t from;
    timer_wheel_judge *leads_home;
    void *ctx;
    struct timer_wheel_kept *kept;
};

/* One that leads nowhere is emptied, or kept, and the one kept so far emptied. */
static int cut_slot(void *ctx, int64_t place, const uint8_t *slot)
{
    const struct cutting *c = ctx;
    int64_t first_pos = (int64_t)get_be64(slot + SLOT_FIRST_POS);
    int64_t last_pos = (int64_t)get_be64(slot + SLOT_LAST_POS);
    if (last_pos < c->from)
        return 0;
    int home = c->leads_home(c->ctx, (int64_t)get_be64(slot + SLOT_TICK), last_pos);
    if (home != 0)
        return home < 0 ? home : 0;
    if (c->kept->place >= 0 && c->kept->first_pos <= first_pos)
        return timer_wheel_empty(c->wheel, place);
    int64_t kept_before = c->kept->place;
    *c->kept = (struct timer_wheel_kept){ place, first_pos };
    return kept_before < 0 ? 0 : timer_wheel_empty(c->wheel, kept_before);
}

int timer_wheel_cut(const struct timer_wheel *wheel, int64_t from, timer_wheel_judge *leads_home,
                    void *ctx, struct timer_wheel_kept *kept)
{
    *kept = (struct timer_wheel_kept){ -1, INT64_MAX };
    struct cutting cutting = { wheel, from, leads_home, ctx, kept };
    return each_used_slot(wheel, cut_slot, &cutting);
}

int timer_wheel_sync(const struct timer_wheel *wheel)
{
    return timer_file_sync(wheel->fd, wheel->path);
}

int timer_wheel_rewrite(const struct timer_wheel *wheel)
{
    return timer_file_rewrite(wheel->fd, wheel->path, 0, wheel->slots * SLOT_BYTES);
}
