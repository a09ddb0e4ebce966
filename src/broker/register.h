/* register.h - tells every name server which topics this broker has: each registerNameServerPeriod,
 * and at once after a change of the topic table.
 *
 * A change is told at the end of the loop's pass; changes while the answer of a name server is
 * awaited are told to it together afterwards. The whole table goes out as an announcement
 * (announcement.h): at start, each period, when a name server did not take what it was told, and
 * with few topics at each change; with many, a change is told alone. Periodic rounds ask first
 * (QUERY_DATA_VERSION) when forceRegister is off.
 *
 * Threads    the broker's loop.
 * Errors     a name server that does not answer is logged once until it answers again.
 */
#ifndef BROKER_REGISTER_H
#define BROKER_REGISTER_H

#include <stdbool.h>

#include "base/err.h"

struct broker;
struct registrar;

/* Begins with a registration at once. */
MUST_CHECK int registrar_start(struct broker *broker, struct registrar **registrar);
/* Topics changed. */
void registrar_changed(struct registrar *registrar);
/* What name servers are told of every topic changed. */
void registrar_tell_all(struct registrar *registrar);
/* Unregisters everywhere; registrar_is_idle() once all have answered or timed out. */
void registrar_stop(struct registrar *registrar);
bool registrar_is_idle(const struct registrar *registrar);
/* A worker may still come back to it. */
bool registrar_has_work_out(const struct registrar *registrar);
/* After the broker's client, whose last callbacks still come here. */
void registrar_free(struct registrar *registrar);

#endif
