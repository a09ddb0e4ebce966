/* topic_rules.h - topics and groups that come to be by themselves, and what follows when a table
 * has changed.
 *
 * Ownership  a config is the table's, and stays as it is until the next change of the table.
 * Threads    the broker's loop.
 */
#ifndef BROKER_TOPIC_RULES_H
#define BROKER_TOPIC_RULES_H

#include "broker/internal.h"

/* The topic, created when allowed (auto creation from `default_topic`, retry topics always).
 * NULL: does not exist and was not created; *why (a static text) is for the remark. */
const struct topic_config *broker_topic_for_send(struct broker *broker, struct slice topic,
                                                 struct slice default_topic, int32_t queue_count,
                                                 int32_t sys_flag, const char **why);
/* The topic, created with one queue when absent; NULL: its name cannot be one. */
const struct topic_config *broker_topic_ensure(struct broker *broker, struct slice topic);
/* The same for the dead-letter topic of a group. */
const struct topic_config *broker_dead_letter_topic_ensure(struct broker *broker,
                                                           struct slice group);
/* The group, created with defaults when allowed; else NULL. */
const struct group_config *broker_group_ensure(struct broker *broker, struct slice group);
/* The retry topic `name` that messages a group did not acknowledge are put on, created when absent;
 * NULL: its name is too long. */
const struct topic_config *broker_pop_retry_topic_ensure(struct broker *broker, struct slice name,
                                                         struct slice group);
/* After any change of the topic table: saves it and tells the name servers. */
void broker_topics_changed(struct broker *broker);
void broker_groups_changed(struct broker *broker);
/* Makes the topics and groups that every broker has. At start, before name servers are told. */
void broker_make_system_topics(struct broker *broker);
/* The retry topic of a group, created when absent; NULL when the group's name is too long for one.
 */
const struct topic_config *
broker_retry_topic_ensure(struct broker *broker, const struct group_config *group, bool unit_mode);

#endif
