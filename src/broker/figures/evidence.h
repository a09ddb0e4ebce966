/* evidence.h - where the time of requests goes, always on: a histogram per stage, and the slowest
 * recent requests with what the kernel did meanwhile.
 *
 *   pass begins  header       handler      lock asked  held          let go      done     written
 *     |<- wait ->|<- decode ->|<- handle ->|<- lock ->|<- append ->|<- rest ->|<---- reply ---->|
 *                                                      parked for the disk:   |<---- flush ---->|
 *
 * A reading of the processor's counter costs 15 ns where a message costs 2 us, so a request costs
 * one, before its header is decoded: how long the one before took. The first EVIDENCE_DETAILED of a
 * pass, and one in EVIDENCE_SAMPLE of the rest, are looked at in detail; of the others all but
 * `wait` counts as `handle`. The histograms of stages have one detailed request in EVIDENCE_SAMPLE,
 * with that weight (of small passes all could be had, but then a busy second would weigh less than
 * a quiet one); `reply`, `flush` and `total` count every request. A pass that took longer than
 * slowRequestThresholdMicros leaves its slowest request in the ring, and a line in the log
 * (slow_request), some at once and then one a second: written by a worker that has read the
 * kernel's counters, or without them while it reads those of the one before. Their difference is to
 * the last reading, a second ago or less while the broker is busy.
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
#include "net/loop.h"
#include "net/workers.h"
#include "wire/body_slow_requests.h"

struct evidence;
struct request;
struct store_put_result;

enum { EVIDENCE_DETAILED = 4, EVIDENCE_SAMPLE = 32, EVIDENCE_SLOW_MAX = 64 };

struct evidence_options {
    struct loop *loop;
    struct workers *workers;
    int *work_out; /* one more while a worker reads the kernel's counters: wait for it */
    const int64_t *threshold_us; /* may change meanwhile; 0: nothing counts as slow */
    /* A pass with requests is over: it took so long. */
    void (*on_pass)(void *ctx, int64_t delay_ns);
    /* A request that has put messages was handled, so long after its bytes were there; 0: no
     * request did, but the broker. */
    void (*on_put)(void *ctx, int64_t elapsed_ns, int messages, int64_t bytes);
    void *ctx;
};

MUST_CHECK int evidence_new(const struct evidence_options *options, struct evidence **evidence);
/* When no worker is at it; NULL is fine. */
void evidence_free(struct evidence *evidence);

/* A request is about to be handled. */
void evidence_begin(struct evidence *evidence, const struct request *req);
/* Is it one whose puts should say when they did what (store_want_ticks)? */
bool evidence_wants_ticks(const struct evidence *evidence);
/* Messages were put, by the request being handled if there is one. */
void evidence_put(struct evidence *evidence, const struct store_put_result *put, int messages);
/* A request that was parked for the disk is about to be answered. */
void evidence_flushed(struct evidence *evidence, const struct request *req, int64_t parked_ns);

/* Of the request being handled: how long it had waited, and the how-manieth it is. */
int64_t evidence_waited_ns(const struct evidence *evidence);
int64_t evidence_pass_requests(const struct evidence *evidence);

/* All of it; slices live in the arena. */
void evidence_describe(const struct evidence *evidence, struct arena *arena,
                       struct slow_requests *body);

#endif
