/* txns.h - runs transactions on the broker's loop: when halves are checked and op records put, who
 * is asked, and the saved positions. Nothing wakes while no half message waits.
 *
 * Threads    the broker's loop.
 * Ownership  between open and close the broker's store, tables, loop and workers are in use.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef BROKER_TXNS_H
#define BROKER_TXNS_H

#include "broker/internal.h"
#include "delivery/delivery.h"

struct txns;

/* Finds out which halves wait (may block), and goes on with them. */
MUST_CHECK int txns_open(struct broker *broker, struct txns **txns);

/* For txn_commit() and its like; call txns_changed() after them. */
struct txn *txns_txn(struct txns *txns);
/* A half was stored, or one ended: plans what is to be done about it. */
void txns_changed(struct txns *txns);

/* Checks nothing any more; transactions may still end. */
void txns_stop(struct txns *txns);
/* True when no worker is busy for it any more. */
bool txns_are_idle(const struct txns *txns);
/* Puts the op records that are left. After txns_stop(), when idle, before the tables are saved. */
void txns_finish(struct txns *txns);
void txns_close(struct txns *txns);

#endif
