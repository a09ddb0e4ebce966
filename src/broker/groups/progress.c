/* progress.c - where consumer groups are. */
#include "broker/groups/progress.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/pop/pops.h"
#include "broker/saver.h"
#include "broker/send/light_queues.h"

struct progress {
    struct broker *broker;
    struct offsets *pulled;
    struct offsets *resets;
};

int progress_new(struct broker *broker, struct progress **made)
{
    struct progress *progress = calloc(1, sizeof *progress);
    if (progress == NULL)
        return ERR_NO_MEMORY;
    progress->broker = broker;
    int err = offsets_new(&progress->pulled);
    if (err == 0)
        err = offsets_new(&progress->resets);
    if (err != 0) {
        progress_free(progress);
        return err;
    }
    *made = progress;
    return 0;
}

void progress_free(struct progress *progress)
{
    if (progress == NULL)
        return;
    offsets_free(progress->pulled);
    offsets_free(progress->resets);
    free(progress);
}

static void put(struct progress *progress, struct slice topic, struct slice group, int32_t queue_id,
                int64_t queue_offset)
{
    struct broker *broker = progress->broker;
    offsets_put(broker->offsets, topic, group, queue_id, queue_offset, loop_now_ms(broker->loop));
    saver_changed(broker->saver, TABLE_OFFSETS);
}

static int64_t waiting_reset(const struct progress *progress, struct slice topic,
                             struct slice group, int32_t queue_id)
{
    if (offsets_are_empty(progress->resets)) /* nearly always: commits and pulls come this way */
        return -1;
    return offsets_get(progress->resets, topic, group, queue_id);
}

int64_t progress_get(const struct progress *progress, struct slice topic, struct slice group,
                     int32_t queue_id)
{
    int64_t target = waiting_reset(progress, topic, group, queue_id);
    return target >= 0 ? target : offsets_get(progress->broker->offsets, topic, group, queue_id);
}

bool progress_commit(struct progress *progress, struct slice topic, struct slice group,
                     int32_t queue_id, int64_t queue_offset)
{
    if (waiting_reset(progress, topic, group, queue_id) >= 0 ||
        light_queues_offset(progress->broker, topic, queue_id, queue_offset) != queue_offset)
        return false;
    put(progress, topic, group, queue_id, queue_offset);
    return true;
}

int64_t progress_pulled_to(const struct progress *progress, struct slice topic, struct slice group,
                           int32_t queue_id)
{
    int64_t pulled = offsets_get(progress->pulled, topic, group, queue_id);
    int64_t committed = progress_get(progress, topic, group, queue_id);
    return pulled > committed ? pulled : committed;
}

void progress_note_pull(struct progress *progress, struct slice topic, struct slice group,
                        int32_t queue_id, int64_t next_offset)
{
    offsets_put(progress->pulled, topic, group, queue_id, next_offset,
                loop_now_ms(progress->broker->loop));
}

void progress_reset(struct progress *progress, struct slice topic, struct slice group,
                    int32_t queue_id, int64_t queue_offset)
{
    assert(queue_offset >= 0);
    offsets_put(progress->resets, topic, group, queue_id, queue_offset,
                loop_now_ms(progress->broker->loop));
    offsets_take(progress->pulled, topic, group, queue_id);
    pops_keep_offset(progress->broker->pops, topic, group, queue_id);
    put(progress, topic, group, queue_id, queue_offset);
}

int64_t progress_take_reset(struct progress *progress, struct slice topic, struct slice group,
                            int32_t queue_id)
{
    if (offsets_are_empty(progress->resets))
        return -1;
    return offsets_take(progress->resets, topic, group, queue_id);
}

void progress_forget_group(struct progress *progress, struct slice group)
{
    offsets_remove_group(progress->pulled, group);
    offsets_remove_group(progress->resets, group);
    offsets_remove_group(progress->broker->offsets, group);
    pop_keeper_forget_group(pops_keeper(progress->broker->pops), group);
    saver_changed(progress->broker->saver, TABLE_OFFSETS);
}

void progress_forget_topic(struct progress *progress, struct slice topic)
{
    offsets_remove_topic(progress->pulled, topic);
    offsets_remove_topic(progress->resets, topic);
    offsets_remove_topic(progress->broker->offsets, topic);
    pop_keeper_forget_topic(pops_keeper(progress->broker->pops), topic);
    saver_changed(progress->broker->saver, TABLE_OFFSETS);
}
