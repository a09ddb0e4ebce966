"""Finding messages by id and by key."""

import mini_client as mq
from conftest import pull_all, send
from servers import wait_until


def by_key(connection, topic, key, count=32, begin=0, end=2**62, **more):
    return connection.call(12, {"topic": topic, "key": key, "maxNum": count, "beginTimestamp": begin,
                                "endTimestamp": end, **more})


def found(connection, topic, key, count, **more):
    """Waits for the index, which is written off the path, and gives the records."""
    def enough():
        answer = by_key(connection, topic, key, **more)
        records = mq.decode_records(answer.body) if answer.code == 0 else []
        return records if len(records) >= count else None
    return wait_until(enough, 60, "index of %s" % key)


def test_message_is_found_by_its_offset(broker, topic, group):
    """Goal: 33 gives the record at a physical offset, without ext fields."""
    answer = send(broker, topic, b"me")
    view = broker.call(33, {"offset": mq.phy_offset_of(answer.ext["msgId"])})
    assert view.code == 0 and view.ext == {}
    record, = mq.decode_records(view.body)
    assert record.body == b"me" and record.msg_id == answer.ext["msgId"]


def test_no_message_at_an_offset(broker, topic):
    """Goal: 1 where no record starts."""
    at = mq.phy_offset_of(send(broker, topic).ext["msgId"])
    for offset in (at + 3, 2**50):
        assert broker.call(33, {"offset": offset}).code == 1


def test_message_is_found_by_key(broker, topic, name):
    """Goal: 12 finds every message with a key, each word of KEYS by itself."""
    first, second = name("key"), name("key")
    send(broker, topic, b"1", properties={"KEYS": first + " " + second})
    send(broker, topic, b"2", properties={"KEYS": second})
    assert [r.body for r in found(broker, topic, first, 1)] == [b"1"]
    assert sorted(r.body for r in found(broker, topic, second, 2)) == [b"1", b"2"]
    answer = by_key(broker, topic, second)
    assert int(answer.ext["indexLastUpdateTimestamp"]) > 0
    assert int(answer.ext["indexLastUpdatePhyoffset"]) >= 0


def test_message_is_found_by_unique_key(broker, topic):
    """Goal: the client's message id finds the message."""
    key = send(broker, topic, b"me").ext["transactionId"]
    record, = found(broker, topic, key, 1, _UNIQUE_KEY_QUERY=True)
    assert record.properties["UNIQ_KEY"] == key


def test_key_of_another_topic_is_not_found(broker, topic, name):
    """Goal: keys belong to their topic. Method: 22 with both fields 0."""
    key = name("key")
    send(broker, topic, properties={"KEYS": key})
    found(broker, topic, key, 1)
    answer = by_key(broker, "TBW102", key)
    assert answer.code == 22
    assert answer.ext == {"indexLastUpdateTimestamp": "0", "indexLastUpdatePhyoffset": "0"}


def test_count_and_time_limit_a_query(broker, topic, group, name):
    """Goal: at most maxNum, and only in the time asked."""
    key = name("key")
    for i in range(5):
        send(broker, topic, b"%d" % i, properties={"KEYS": key})
    found(broker, topic, key, 5)
    assert len(mq.decode_records(by_key(broker, topic, key, count=2).body)) == 2
    last = pull_all(broker, group, topic)[-1].store_ms
    assert by_key(broker, topic, key, begin=last + 100_000).code == 22
    assert by_key(broker, topic, key, end=last - 3_600_000).code == 22


def test_setting_limits_a_query(broker, topic, name):
    """Goal: nobody gets more messages by key than maxMsgsNumBatch, whatever was asked for."""
    key = name("key")
    for i in range(5):
        send(broker, topic, b"%d" % i, properties={"KEYS": key})
    found(broker, topic, key, 5)
    assert broker.call(25, body=b"maxMsgsNumBatch=3\n").code == 0
    try:
        assert len(mq.decode_records(by_key(broker, topic, key).body)) == 3
    finally:
        assert broker.call(25, body=b"maxMsgsNumBatch=64\n").code == 0
