"""Delay levels, messages sent back, dead letters. The levels here are 1s 2s 3s 30s."""

import time

import pytest

from conftest import pull_all, send
from servers import wait_until


def send_back(connection, group, record, level=1, **more):
    return connection.call(36, {"offset": record.phy_offset, "group": group, "delayLevel": level,
                                "originMsgId": record.msg_id, "originTopic": record.topic, **more})


def arrived(connection, group, topic, count=1):
    """Waits until a queue holds so many messages, and gives them."""
    def enough():
        records = pull_all(connection, group, topic)
        return records if len(records) >= count else None
    return wait_until(enough, 12, "%d messages in %s" % (count, topic), 0.05)


@pytest.fixture
def received(broker, topic, group):
    """A message, as a consumer of `group` got it."""
    send(broker, topic, b"work", properties={"TAGS": "t", "KEYS": "k"})
    return pull_all(broker, group, topic)[0]


def test_delayed_message_comes_late(broker, topic, group):
    """Goal: DELAY=1 is delivered after its second. Method: not there at once, there later; the
    answer's offset is that of the schedule topic."""
    begin = time.monotonic()
    answer = send(broker, topic, b"late", queue_id=2, properties={"DELAY": "1"})
    assert answer.ext["queueId"] == "2"
    assert broker.call(30, {"topic": topic, "queueId": 2}).ext["offset"] == "0"
    wait_until(lambda: broker.call(30, {"topic": topic, "queueId": 2}).ext["offset"] == "1", 10,
               "delivery")
    assert time.monotonic() - begin > 0.8
    record, = pull_all(broker, group, topic, queue_id=2)
    assert record.body == b"late" and record.properties["DELAY"] == "1"
    assert record.properties["REAL_TOPIC"] == topic and record.properties["REAL_QID"] == "2"


def test_delayed_messages_keep_their_order(broker, topic, group):
    """Goal: messages of a level arrive in their order."""
    for i in range(20):
        send(broker, topic, b"%d" % i, properties={"DELAY": "1"})
    assert [int(r.body) for r in arrived(broker, group, topic, 20)] == list(range(20))


def test_level_above_the_top_is_the_top(broker, topic):
    """Goal: level 99 is taken as the highest. Method: it waits in the last level's queue."""
    before = int(broker.call(30, {"topic": "SCHEDULE_TOPIC_XXXX", "queueId": 3}).ext["offset"])
    send(broker, topic, properties={"DELAY": "99"})
    after = int(broker.call(30, {"topic": "SCHEDULE_TOPIC_XXXX", "queueId": 3}).ext["offset"])
    assert after == before + 1


def test_sent_back_message_returns_to_the_retry_topic(broker, group, received):
    """Goal: a message sent back is redelivered on %RETRY%group, once more reconsumed, with its
    origin."""
    answer = send_back(broker, group, received)
    assert answer.code == 0 and answer.ext == {}
    again, = arrived(broker, group, "%RETRY%" + group)
    assert again.body == b"work" and again.reconsume_times == 1
    assert again.properties["RETRY_TOPIC"] == received.topic
    assert again.properties["ORIGIN_MESSAGE_ID"] == received.msg_id
    assert again.properties["TAGS"] == "t" and again.properties["KEYS"] == "k"
    assert again.properties["UNIQ_KEY"] == received.properties["UNIQ_KEY"]
    assert again.born_ms == received.born_ms


def test_second_send_back_keeps_the_origin(broker, group, received):
    """Goal: ORIGIN_MESSAGE_ID and RETRY_TOPIC stay those of the first message."""
    send_back(broker, group, received)
    first, = arrived(broker, group, "%RETRY%" + group)
    send_back(broker, group, first)
    second = arrived(broker, group, "%RETRY%" + group, 2)[1]
    assert second.reconsume_times == 2
    assert second.properties["RETRY_TOPIC"] == received.topic
    assert second.properties["ORIGIN_MESSAGE_ID"] == received.msg_id


def test_level_0_takes_the_level_of_the_attempt(broker, group, received):
    """Goal: delayLevel 0 means 3 + reconsumeTimes. Method: level 3 grows."""
    before = int(broker.call(30, {"topic": "SCHEDULE_TOPIC_XXXX", "queueId": 2}).ext["offset"])
    send_back(broker, group, received, level=0)
    after = int(broker.call(30, {"topic": "SCHEDULE_TOPIC_XXXX", "queueId": 2}).ext["offset"])
    assert after == before + 1


def test_negative_level_is_a_dead_letter(broker, group, received):
    """Goal: delayLevel -1 goes to %DLQ%group at once."""
    assert send_back(broker, group, received, level=-1).code == 0
    dead, = arrived(broker, group, "%DLQ%" + group)
    assert dead.body == b"work" and dead.queue_id == 0 and dead.reconsume_times == 1
    assert dead.properties["RETRY_TOPIC"] == received.topic
    config = broker.call(351, {"topic": "%DLQ%" + group}).json()
    assert config["writeQueueNums"] == 1


def test_message_at_its_limit_is_a_dead_letter(broker, group, received):
    """Goal: maxReconsumeTimes of the request is kept. Method: a limit of 0, then of 1."""
    assert send_back(broker, group, received, maxReconsumeTimes=1).code == 0
    again, = arrived(broker, group, "%RETRY%" + group)
    assert send_back(broker, group, again, maxReconsumeTimes=1).code == 0
    assert arrived(broker, group, "%DLQ%" + group)[0].body == b"work"


def test_limit_of_the_group_is_kept(broker, topic, group):
    """Goal: retryMaxTimes of the group counts when the request names none."""
    assert broker.call(200, body={"groupName": group, "retryMaxTimes": 0}).code == 0
    send(broker, topic, b"work")
    record, = pull_all(broker, group, topic)
    assert send_back(broker, group, record).code == 0
    assert arrived(broker, group, "%DLQ%" + group)[0].body == b"work"


def test_group_without_retry_queues_drops(broker, topic, group):
    """Goal: retryQueueNums 0: answered 0, nothing stored."""
    assert broker.call(200, body={"groupName": group, "retryQueueNums": 0}).code == 0
    send(broker, topic)
    record, = pull_all(broker, group, topic)
    assert send_back(broker, group, record).code == 0
    assert broker.call(30, {"topic": "%RETRY%" + group, "queueId": 0}).ext["offset"] == "0"


def test_send_back_of_nothing_is_refused(broker, group, received):
    """Goal: 1 for an offset where no record is."""
    for offset in (received.phy_offset + 7, 2**50, -1):
        fields = {"offset": offset, "group": group, "delayLevel": 1}
        assert broker.call(36, fields).code == 1


def test_send_back_creates_its_group(broker, group, name, received):
    """Goal: with automatic groups an unknown one is made."""
    fresh = name("group")
    assert send_back(broker, fresh, received).code == 0
    assert fresh in broker.call(201).json()["subscriptionGroupTable"]
