/* events.h - what the parts of a broker tell, and whom it concerns: the one place where they meet.
 *
 *   store        a message arrived ──> held pulls and pops, pops, delays, timers, statistics
 *                the log was flushed ──> acks
 *   connections  a request came ──> its handler (requests.h), or it is turned away
 *                one closed ──> its session
 *   holds        served, or dropped ──> the handler that parked it
 *   groups       members changed ──> the members; none left ──> filters
 *
 * Each is a callback of the part, given to it by parts.c; ctx is the broker.
 *
 * Threads    the broker's loop. Puts happen there, so the store's arrivals do, too;
 *            events_log_flushed() comes on the store's flusher.
 */
#ifndef BROKER_EVENTS_H
#define BROKER_EVENTS_H

#include "broker/figures/put_times.h"
#include "broker/groups/clients.h"
#include "broker/pop/pop_hold.h"
#include "broker/pull/hold.h"
#include "remoting/remoting.h"
#include "store/store.h"

void events_message_arrived(void *ctx, const struct store_arrival *arrival);
void events_log_flushed(void *ctx);

void events_request_came(void *ctx, struct request *req);
void events_fast_request_came(void *ctx, struct request *req); /* at the fast port */
void events_peer_closed(void *ctx, struct peer *peer);
/* A pass with requests is over: it took so long. */
void events_pass_over(void *ctx, int64_t delay_ns);
/* Messages were put: so long after the loop took up what its sockets had, the wait behind others of
 * the same pass included. */
void events_put(void *ctx, const struct puts *puts);
/* From here on puts are to say when they did what, or are not. */
void events_detail_wanted(void *ctx, bool is_wanted);

void events_serve_pull(void *ctx, struct held_request *held);
void events_drop_pull(void *ctx, struct held_request *held);
void events_serve_pop(void *ctx, struct held_pop *held);
void events_drop_pop(void *ctx, struct held_pop *held);

void events_group_changed(void *ctx, struct client_group *group);
void events_group_gone(void *ctx, struct slice group);

#endif
