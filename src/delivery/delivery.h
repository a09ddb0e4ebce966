/* delivery.h - the front door: when, and to whom, a stored message is due. Knows no sockets; time
 * is an argument.
 *
 *   delay.h        delay levels                 SCHEDULE_TOPIC_XXXX ── due ──> real topic
 *   timer.h        a time of its own, recall    rmq_sys_wheel_timer ── due ──> real topic
 *   txn.h          transactions                 half ── commit ──> real topic
 *   pop_keeper.h   pops and their acks          out ── not acknowledged in time ──> retry topic
 *   retry.h        messages sent back           again later, or dead letter
 *
 * Threads    what has state belongs to the broker's loop, but for the parts that each header names
 *            for a worker; the rest is pure.
 */
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include "delivery/bounds.h"
#include "delivery/delay.h"
#include "delivery/pop_keeper.h"
#include "delivery/retry.h"
#include "delivery/timer.h"
#include "delivery/txn.h"

#endif
