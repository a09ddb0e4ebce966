"""Delay levels, messages sent back, dead letters. The levels here are 1s 2s 3s 30s."""

import time

import mini_client as mq
import pytest

import servers
from conftest import BROKER_CONF, expect_not_before, make_topic, max_offset, pull_all, send
from servers import wait_until


def send_back(connection, group, record, level=1, **more):
    return connection.call(36, {"offset": record.phy_offset, "group": group, "delayLevel": level,
                                "originMsgId": record.msg_id, "originTopic": record.topic, **more})


def grows(connection, queue_id, action):
    """Whether an action adds one message to a level's queue."""
    before = max_offset(connection, "SCHEDULE_TOPIC_XXXX", queue_id)
    action()
    return wait_until(lambda: max_offset(connection, "SCHEDULE_TOPIC_XXXX", queue_id) == before + 1,
                      what="a message of level %d" % (queue_id + 1))


@pytest.fixture
def received(broker, topic, group):
    """A message, as a consumer of `group` got it."""
    send(broker, topic, b"work", properties={"TAGS": "t", "KEYS": "k"})
    return pull_all(broker, group, topic)[0]


def test_delayed_message_comes_late(broker, topic, group):
    """Goal: DELAY=1 is delivered after its second. Method: not there at once, there later; the
    answer's offset is that of the schedule topic."""
    begin, begin_ms = time.monotonic(), mq.now_ms()
    answer = send(broker, topic, b"late", queue_id=2, properties={"DELAY": "1"})
    assert answer.ext["queueId"] == "2"
    expect_not_before(broker, topic, begin_ms + 1000, 2)
    wait_until(lambda: max_offset(broker, topic, 2) == 1, 60, "delivery")
    assert time.monotonic() - begin > 0.8
    record, = pull_all(broker, group, topic, queue_id=2)
    assert record.body == b"late" and record.properties["DELAY"] == "1"
    assert record.properties["REAL_TOPIC"] == topic and record.properties["REAL_QID"] == "2"


def test_delayed_messages_keep_their_order(broker, topic, group):
    """Goal: messages of a level arrive in their order."""
    for i in range(20):
        send(broker, topic, b"%d" % i, properties={"DELAY": "1"})
    assert [int(r.body) for r in pull_all(broker, group, topic, count=20)] == list(range(20))


def test_level_above_the_top_is_the_top(broker, topic):
    """Goal: level 99 is taken as the highest. Method: it waits in the last level's queue."""
    assert grows(broker, 3, lambda: send(broker, topic, properties={"DELAY": "99"}))


def test_sent_back_message_returns_to_the_retry_topic(broker, group, received):
    """Goal: a message sent back is redelivered on %RETRY%group, once more reconsumed, with its
    origin."""
    answer = send_back(broker, group, received)
    assert answer.code == 0 and answer.ext == {}
    again, = pull_all(broker, group, "%RETRY%" + group)
    assert again.body == b"work" and again.reconsume_times == 1
    assert again.properties["RETRY_TOPIC"] == received.topic
    assert again.properties["ORIGIN_MESSAGE_ID"] == received.msg_id
    assert again.properties["TAGS"] == "t" and again.properties["KEYS"] == "k"
    assert again.properties["UNIQ_KEY"] == received.properties["UNIQ_KEY"]
    assert again.born_ms == received.born_ms


def test_second_send_back_keeps_the_origin(broker, group, received):
    """Goal: ORIGIN_MESSAGE_ID and RETRY_TOPIC stay those of the first message."""
    send_back(broker, group, received)
    first, = pull_all(broker, group, "%RETRY%" + group)
    send_back(broker, group, first)
    second = pull_all(broker, group, "%RETRY%" + group, count=2)[1]
    assert second.reconsume_times == 2
    assert second.properties["RETRY_TOPIC"] == received.topic
    assert second.properties["ORIGIN_MESSAGE_ID"] == received.msg_id


def test_level_0_takes_the_level_of_the_attempt(broker, group, received):
    """Goal: delayLevel 0 means 3 + reconsumeTimes. Method: level 3 grows."""
    assert grows(broker, 2, lambda: send_back(broker, group, received, level=0))


def test_negative_level_is_a_dead_letter(broker, group, received):
    """Goal: delayLevel -1 goes to %DLQ%group at once."""
    assert send_back(broker, group, received, level=-1).code == 0
    dead, = pull_all(broker, group, "%DLQ%" + group)
    assert dead.body == b"work" and dead.queue_id == 0 and dead.reconsume_times == 1
    assert dead.properties["RETRY_TOPIC"] == received.topic
    config = broker.call(351, {"topic": "%DLQ%" + group}).json()
    assert config["writeQueueNums"] == 1


def test_message_at_its_limit_is_a_dead_letter(broker, group, received):
    """Goal: maxReconsumeTimes of the request is kept. Method: a limit of 0, then of 1."""
    assert send_back(broker, group, received, maxReconsumeTimes=1).code == 0
    again, = pull_all(broker, group, "%RETRY%" + group)
    assert send_back(broker, group, again, maxReconsumeTimes=1).code == 0
    assert pull_all(broker, group, "%DLQ%" + group)[0].body == b"work"


@pytest.mark.parametrize("version, ends_in", ((120, "%RETRY%"), (121, "%DLQ%")))
def test_limit_of_an_old_client_does_not_count(connect, broker, group, received, version, ends_in):
    """Goal: maxReconsumeTimes counts from clients of 3.4.9 (121) on, in a send back and in a send to the retry topic."""
    client = connect(version=version)
    assert send_back(client, group, received, maxReconsumeTimes=0).code == 0
    fields = mq.send_fields("%RETRY%" + group, reconsumeTimes=1, maxReconsumeTimes=0)
    assert client.call(310, fields, b"work").code == 0
    assert [record.body for record in pull_all(broker, group, ends_in + group, count=2)] == [b"work"] * 2


def test_limit_of_the_group_is_kept(broker, topic, group):
    """Goal: retryMaxTimes of the group counts when the request names none."""
    assert broker.call(200, body={"groupName": group, "retryMaxTimes": 0}).code == 0
    send(broker, topic, b"work")
    record, = pull_all(broker, group, topic)
    assert send_back(broker, group, record).code == 0
    assert pull_all(broker, group, "%DLQ%" + group)[0].body == b"work"


def test_group_without_retry_queues_drops(broker, topic, group):
    """Goal: retryQueueNums 0: answered 0, nothing stored."""
    assert broker.call(200, body={"groupName": group, "retryQueueNums": 0}).code == 0
    send(broker, topic)
    record, = pull_all(broker, group, topic)
    assert send_back(broker, group, record).code == 0
    assert max_offset(broker, "%RETRY%" + group) == 0


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


def test_unit_mode_marks_the_retry_topic(broker, topic, group):
    """Goal: unitMode of the request makes a retry topic of a unit's subscription."""
    send(broker, topic, b"work")
    record, = pull_all(broker, group, topic)
    assert send_back(broker, group, record, unitMode=True).code == 0
    assert broker.call(351, {"topic": "%RETRY%" + group}).json()["topicSysFlag"] == 2


def test_retry_topic_that_cannot_be_written(broker, topic, group):
    """Goal: without write permission on the retry topic nothing is sent back, dead letters neither: 16."""
    send(broker, topic, b"work")
    record, = pull_all(broker, group, topic)
    make_topic(broker, "%RETRY%" + group, queues=1, perm=4)
    for level in (1, -1):
        assert send_back(broker, group, record, level=level).code == 16


@pytest.mark.parametrize("policy", [
    {"type": "EXPONENTIAL", "exponentialRetryPolicy": {"initial": 5000, "max": 60000, "multiplier": 3}},
    {"type": "CUSTOMIZED", "customizedRetryPolicy": {"next": [1000, 2000, 5000]}},
    {"type": "CUSTOMIZED"}], ids=lambda policy: policy["type"] + str(len(policy)))
def test_retry_policy_of_a_group_is_kept(broker, group, policy):
    """Goal: groupRetryPolicy comes back as it was given: proxies hand it to their clients. What is sent back
    by remoting clients still goes by levels."""
    assert broker.call(200, body={"groupName": group, "groupRetryPolicy": policy}).code == 0
    assert broker.call(352, {"group": group}).json()["groupRetryPolicy"] == policy


@pytest.mark.parametrize("policy", ["fast", 5, {"customizedRetryPolicy": {"next": ["soon"]}},
                                    {"exponentialRetryPolicy": {"initial": "soon"}}])
def test_retry_policy_that_is_none_is_refused(broker, group, policy):
    """Goal: what no broker could read again is not taken: 1."""
    assert broker.call(200, body={"groupName": group, "groupRetryPolicy": policy}).code == 1


def test_group_that_holds_locks_gets_dead_letters_at_once(broker, pair, topic, group):
    """Goal: what a client of a group that consumes in order sends to the retry topic is a dead letter at once: it
    cannot come again in its order. Without a lock it is put on the retry topic."""
    assert broker.call(200, body={"groupName": group}).code == 0
    lock = {"consumerGroup": group, "clientId": "c@1", "onlyThisBroker": False,
            "mqSet": [{"topic": topic, "brokerName": pair.broker.name, "queueId": 0}]}
    for code, body in ((41, b"dead"), (42, b"again")):
        assert broker.call(code, body=lock).code == 0
        assert broker.call(310, mq.send_fields("%RETRY%" + group, reconsumeTimes=1), body).code == 0
    assert [r.body for r in pull_all(broker, group, "%DLQ%" + group)] == [b"dead"]
    assert [r.body for r in pull_all(broker, group, "%RETRY%" + group)] == [b"again"]


def test_locks_do_not_count_for_what_is_sent_back(broker, pair, topic, group, received):
    """Goal: what the broker puts again itself (36) comes again although the group holds a lock."""
    lock = {"consumerGroup": group, "clientId": "c@1", "onlyThisBroker": False,
            "mqSet": [{"topic": topic, "brokerName": pair.broker.name, "queueId": 0}]}
    assert broker.call(41, body=lock).code == 0
    assert send_back(broker, group, received).code == 0
    assert [r.body for r in pull_all(broker, group, "%RETRY%" + group)] == [b"work"]


def test_a_message_that_is_too_long_by_now_comes_again(target, tmp_path):
    """Goal: what was accepted is found by its place, and comes again when it is sent back, also after maxMessageSize was
    lowered.
    Method: a restart with the lower limit."""
    if target != "ramjet":
        pytest.skip("the reference refuses to put it again")
    body = bytes(200000)
    with servers.Pair(target, tmp_path, conf=BROKER_CONF) as both:
        with both.broker.connect() as connection:
            topic = make_topic(connection, "long")
            send(connection, topic, body)
            record, = pull_all(connection, "readers", topic)
        both.broker.stop()
        both.broker.conf["maxMessageSize"] = 1000
        both.broker.start()
        with both.broker.connect() as connection:
            assert connection.call(200, body={"groupName": "readers"}).code == 0
            assert connection.call(33, {"offset": record.phy_offset}).code == 0
            assert send_back(connection, "readers", record).code == 0
            assert [again.body for again in pull_all(connection, "readers", "%RETRY%readers")] == [body]
