"""What was counted of topics and groups, as tools ask for it (315)."""

import pytest

import mini_client as mq
from conftest import differs, pull_all, send
from servers import wait_until


def stats(connection, name, key):
    answer = connection.call(315, {"statsName": name, "statsKey": key})
    return answer.json() if answer.code == 0 else None


def wait_for_sum(connection, name, key, total):
    """The reference takes its samples every ten seconds."""
    def shown():
        found = stats(connection, name, key)
        return found if found and found["statsMinute"]["sum"] >= total else None
    return wait_until(shown, 60, "%s of %s" % (name, key))


@pytest.fixture
def busy(broker, topic, group):
    """Three messages of 100 bytes were sent to queue 1, and pulled by the group."""
    broker.call(200, body={"groupName": group})
    for _ in range(3):
        send(broker, topic, b"x" * 100, queue_id=1)
    pull_all(broker, group, topic, queue_id=1, count=3)
    return topic, group


def test_what_was_sent_and_pulled_is_counted(broker, busy):
    """Goal: messages and bytes by topic and by topic@group, in the minute, and a rate."""
    topic, group = busy
    found = wait_for_sum(broker, "TOPIC_PUT_NUMS", topic, 3)
    assert set(found) == {"statsMinute", "statsHour", "statsDay"}
    assert found["statsMinute"]["sum"] == 3 and found["statsMinute"]["avgpt"] == 1.0
    assert 0 < found["statsMinute"]["tps"] <= 0.3
    assert wait_for_sum(broker, "TOPIC_PUT_SIZE", topic, 300)["statsMinute"]["sum"] > 300
    pulled = "%s@%s" % (topic, group)
    assert wait_for_sum(broker, "GROUP_GET_NUMS", pulled, 3)["statsMinute"]["sum"] == 3
    assert wait_for_sum(broker, "GROUP_GET_SIZE", pulled, 300)["statsMinute"]["sum"] > 300


def test_latencies_are_by_queue(broker, busy):
    """Goal: queue@topic and queue@topic@group are known once something went there."""
    topic, group = busy
    assert stats(broker, "TOPIC_PUT_LATENCY", "1@" + topic)
    assert stats(broker, "GROUP_GET_LATENCY", "1@%s@%s" % (topic, group))
    assert stats(broker, "TOPIC_PUT_LATENCY", "0@" + topic) is None


def test_queues_are_counted(broker, busy, target):
    """Goal: messages by queue."""
    topic, group = busy
    for name, key in (("QUEUE_PUT_NUMS", "%s@1" % topic), ("QUEUE_GET_NUMS", "%s@1@%s" % busy)):
        found = stats(broker, name, key)
        assert (found is None) == differs(target, True, False, "5.3.3 does so for delays only")


def test_broker_is_counted(broker, busy):
    """Goal: everything together is under the cluster's name."""
    for name in ("BROKER_PUT_NUMS", "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", "BROKER_GET_NUMS",
                 "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC"):
        assert stats(broker, name, "DefaultCluster")
        assert stats(broker, name, "nothing") is None


def test_sent_back_messages_are_counted(broker, busy):
    """Goal: what a group could not handle, by the topic it came from."""
    topic, group = busy
    record = pull_all(broker, group, topic, queue_id=1)[0]
    assert broker.call(36, {"offset": record.phy_offset, "group": group, "delayLevel": 1,
                            "originTopic": topic}).code == 0
    assert stats(broker, "SNDBCK_PUT_NUMS", "%s@%s" % (topic, group))


@pytest.mark.parametrize("name, key", [("TOPIC_PUT_NUMS", "no_such_topic"), ("NO_SUCH_NAME", "x"),
                                       (None, None)], ids=["key", "name", "nothing"])
def test_what_was_never_counted(broker, name, key):
    """Goal: 1."""
    answer = broker.call(315, {"statsName": name, "statsKey": key})
    assert answer.code == 1
    if name:
        assert answer.remark == "The stats <%s> <%s> not exist" % (name, key)


def test_rates_of_topic_and_group(broker, busy):
    """Goal: 202 and 208 give messages a second."""
    topic, group = busy
    wait_until(lambda: broker.call(202, {"topic": topic}).json()["topicPutTps"] > 0, 60, "a rate")
    broker.call(15, {"consumerGroup": group, "topic": topic, "queueId": 1, "commitOffset": 3})
    wait_until(lambda: broker.call(208, {"consumerGroup": group}).json()["consumeTps"] > 0, 60,
               "a rate")
