/* evidence.h - where the time of requests goes, always on: a histogram per stage, and the slowest
 * recent requests with what the kernel did meanwhile.
 *
 *   pass begins  header       handler      lock asked  held          let go      done     written
 *     |<- wait ->|<- decode ->|<- handle ->|<- lock ->|<- append ->|<- rest ->|<---- reply ---->|
 *                                                      parked for the disk:   |<---- flush ---->|
 *
 * A reading of the processor's counter costs 15 ns where a message costs 1.5 us. So only the first
 * EVIDENCE_DETAILED requests of a pass and one in EVIDENCE_SAMPLE_REST of the rest are looked at in
 * detail. Of the others up to EVIDENCE_TOGETHER that one read of a connection brought one behind
 * the other, and whose code is the same, share a reading: together they have waited until the first
 * was begun, the rest counts as `handle` of one request, and what they put was put when the last
 * was done.
 *
 * The histograms of stages have one in EVIDENCE_SAMPLE of the first of a pass and one in
 * EVIDENCE_SAMPLE_REST of the rest, with that weight (of small passes all could be had, but then a
 * busy second would weigh less than a quiet one); `reply`, `flush` and `total` count every request.
 * A pass that took longer than slowRequestThresholdMicros leaves its slowest request, or the
 * slowest that shared a reading, in the ring, and a line in the log (slow_request), some at once
 * and then one a second: written by a worker that has read the kernel's counters, or without them
 * while it reads those of the one before. Their difference is to the last reading, a second ago or
 * less while the broker is busy.
 *
 * Units      nanoseconds.
 * Threads    the broker's loop.
 * Bounds     EVIDENCE_SLOW_MAX slow requests; one worker's job at a time.
 * Errors     evidence_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_EVIDENCE_H
#define BROKER_EVIDENCE_H

#include "base/histogram.h"
#include "broker/figures/kernel_facts.h"
#include "broker/figures/put_times.h"
#include "net/loop.h"
#include "net/workers.h"
#include "remoting/remoting.h"
#include "store/store.h"
#include "wire/body_slow_requests.h"

struct evidence;

enum {
    EVIDENCE_DETAILED = 4,
    EVIDENCE_SAMPLE = 32,
    EVIDENCE_SAMPLE_REST = 128,
    EVIDENCE_TOGETHER = 16,
    EVIDENCE_SLOW_MAX = 64
};

struct evidence_options {
    struct loop *loop;
    struct workers *workers;
    int *work_out; /* one more while a worker reads the kernel's counters: wait for it */
    const int64_t *threshold_us; /* may change meanwhile; 0: nothing counts as slow */
    /* A pass with requests is over: it took so long. */
    void (*on_pass)(void *ctx, int64_t delay_ns);
    /* Requests that have put messages were handled, so long after their bytes were there; 0: no
     * request did, but the broker. */
    void (*on_put)(void *ctx, const struct puts *puts);
    /* From here on puts are to say when they did what, or are not (store_want_ticks). */
    void (*on_detail)(void *ctx, bool is_wanted);
    void *ctx;
};

MUST_CHECK int evidence_new(const struct evidence_options *options, struct evidence **evidence);
/* When no worker is at it; NULL is fine. */
void evidence_free(struct evidence *evidence);

/* What every request and every put touches: the beginning of the struct, whose rest is
 * evidence.c's. A call costs as much as what it would do, for its code is seldom in the processor's
 * cache. */
struct evidence_head {
    uint32_t requests;  /* so far */
    int32_t code;       /* of the request being handled */
    bool looks_at_puts; /* at each, not at their sum */
    struct puts puts;   /* not told yet; waited_ns: of the request being handled */
};

void evidence_begin_slow(struct evidence *evidence, const struct request *req);
void evidence_put_slow(struct evidence *evidence, const struct store_put_result *put);

/* A request is about to be handled. */
static inline void evidence_begin(struct evidence *evidence, const struct request *req)
{
    struct evidence_head *head = (struct evidence_head *)evidence;
    head->requests++;
    if (req->begun_ticks != 0 || req->header.code != head->code)
        evidence_begin_slow(evidence, req);
}

/* Messages were put, by the request being handled if there is one. */
static inline void evidence_put(struct evidence *evidence, const struct store_put_result *put,
                                int messages)
{
    struct evidence_head *head = (struct evidence_head *)evidence;
    head->puts.count++;
    head->puts.messages += messages;
    head->puts.bytes += put->end_phy_offset - put->phy_offset;
    if (head->looks_at_puts)
        evidence_put_slow(evidence, put);
}

/* A request that was parked for the disk is about to be answered. */
void evidence_flushed(struct evidence *evidence, const struct request *req, int64_t parked_ns);

/* How long the request being handled had waited, or the first of those it shares a reading with; 0:
 * none is being handled. */
static inline int64_t evidence_waited_ns(const struct evidence *evidence)
{
    return ((const struct evidence_head *)evidence)->puts.waited_ns;
}

/* The how-manieth of its pass it is. */
int64_t evidence_pass_requests(const struct evidence *evidence);

/* All of it; slices live in the arena. */
void evidence_describe(struct evidence *evidence, struct arena *arena, struct slow_requests *body);

#endif
