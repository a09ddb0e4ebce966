#include "wire/bodies.h"
#include "wire/body_consumer_status.h"
#include "wire/body_ha_status.h"
#include "wire/body_progress.h"
#include "wire/body_queue_data.h"

/* Goal: the answers about consumers' progress have the reference's form. */
static void progress_is_written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct message_queue queue = { SLICE("t"), SLICE("bk-a"), 1 };
    struct queue_time_span span = {
        queue, { 1, SLICE("x") }, { 3, SLICE("z") }, { 2, SLICE("y") }, 4
    };
    time_spans_encode(&span, 1, &out);
    assert_buf(&out, "{\"consumeTimeSpanSet\":[{\"consumeTimeStamp\":2,"
                     "\"consumeTimeStampStr\":\"y\",\"delayTime\":4,\"maxTimeStamp\":3,"
                     "\"maxTimeStampStr\":\"z\",\"messageQueue\":{\"brokerName\":\"bk-a\","
                     "\"queueId\":1,\"topic\":\"t\"},\"minTimeStamp\":1,"
                     "\"minTimeStampStr\":\"x\"}]}");
    struct consume_stats stats = { 0 };
    struct group_progress groups[] = { { SLICE("a"), NULL, 0 }, { SLICE("b"), &stats, 1 } };
    struct broker_progress progress = { SLICE("1.2.3.4:5"), groups, 2, 7, 6 };
    broker_progress_encode(&progress, &out);
    assert_buf(&out, "{\"brokerAddr\":\"1.2.3.4:5\",\"consumeStatsList\":[{\"a\":[]},{\"b\":"
                     "[{\"consumeTps\":0.0,\"offsetTable\":{}}]}],\"totalDiff\":7,"
                     "\"totalInflightDiff\":6}");
}

/* Goal: tables of offsets in their three forms: by queue id, by queue, and as a list. */
static void offsets_are_written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct queue_offset offset = { { SLICE("t"), SLICE("bk-a"), 2 }, 12 };
    correction_offsets_encode(&offset, 1, &out);
    assert_buf(&out, "{\"correctionOffsets\":{2:12}}");
    queue_offsets_encode(&offset, 1, &out);
    assert_buf(&out, "{\"offsetTable\":{{\"brokerName\":\"bk-a\",\"queueId\":2,"
                     "\"topic\":\"t\"}:12}}");
    queue_offset_list_encode(&offset, 1, &out);
    assert_buf(&out, "{\"offsetTable\":[{\"brokerName\":\"bk-a\",\"offset\":12,"
                     "\"queueId\":2,\"topic\":\"t\"}]}");
}

/* Goal: entries of a consume queue, and a master's figures. */
static void store_answers_are_written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct queue_data_entry entry = { 209, 100, 97 };
    struct queue_data data = { .max_index = 5, .entries = &entry, .count = 1 };
    queue_data_encode(&data, &out);
    assert_buf(&out, "{\"maxQueueIndex\":5,\"minQueueIndex\":0,\"queueData\":[{\"eval\":false,"
                     "\"physicOffset\":209,\"physicSize\":100,\"tagsCode\":97}]}");
    struct ha_status status = { .max_phy_offset = 9 };
    ha_status_encode(&status, &out);
    assert_buf(&out, "{\"haClientRuntimeInfo\":{\"lastReadTimestamp\":0,\"lastWriteTimestamp\":0,"
                     "\"masterFlushOffset\":0,\"maxOffset\":0,\"transferredByteInSecond\":0},"
                     "\"haConnectionInfo\":[],\"inSyncSlaveNums\":0,\"master\":true,"
                     "\"masterCommitLogMaxOffset\":9}");
}

/* Goal: a client's account of its queues is read and goes into the table of clients. */
static void statuses_are_gathered(void **state)
{
    static const char text[] =
        "{\"consumerTable\":{},\"messageQueueTable\":{{\"brokerName\":\"bk-a\",\"queueId\":1,"
        "\"topic\":\"t\"}:7}}";
    struct consumer_status status;
    struct buf out = BUF_INIT;
    assert_int_equal(consumer_status_decode(slice_str(text), *state, &status), 0);
    assert_int_equal(status.queue_count, 1);
    assert_int_equal(status.queues[0].queue_offset, 7);
    status.client_id = SLICE("c");
    consumer_status_table_encode(&status, 1, &out);
    assert_buf(&out, "{\"consumerTable\":{\"c\":{{\"brokerName\":\"bk-a\",\"queueId\":1,"
                     "\"topic\":\"t\"}:7}},\"messageQueueTable\":{}}");
    ASSERT_PREFIXES_REFUSED(text, *state, consumer_status_decode, &status);
    assert_int_equal(
        consumer_status_decode(SLICE("{\"messageQueueTable\":{\"x\":1}}"), *state, &status), 0);
    assert_int_equal(status.queue_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(statuses_are_gathered),
                                        BODY_TEST(progress_is_written),
                                        BODY_TEST(offsets_are_written),
                                        BODY_TEST(store_answers_are_written) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
