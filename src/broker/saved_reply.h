/* saved_reply.h - the answer to a change of a table: given when the change is on disk.
 *
 * Ownership  the request is taken over and answered once.
 * Threads    the broker's loop.
 */
#ifndef BROKER_SAVED_REPLY_H
#define BROKER_SAVED_REPLY_H

#include "broker/internal.h"
#include "broker/saver.h"

/* Answers with success once `table` as it is now is saved, or with SYSTEM_ERROR when that failed
 * (the change is in force, and saving goes on being tried). */
void reply_when_saved(struct broker *broker, struct request *req, enum saved_table table);

#endif
