"""Messages with a time of their own: TIMER_DELIVER_MS, TIMER_DELAY_MS, TIMER_DELAY_SEC; recalls.

A message is due when its sender says. The reference delivers about a second after that at most, Ramjet at
the very time: what both promise, never early, is tested on both; how late is not a matter of these tests.
"""

import base64
import json

import mini_client as mq
import pytest
import servers
from conftest import BROKER_CONF, differs, expect_not_before, make_topic, max_offset, pull, pull_all, send
from servers import wait_until

SEND, RECALL, TIMER_CHECK, TIMER_METRICS = 310, 370, 60, 61
DAYS_3_MS = 3 * 86400 * 1000


def send_timed(connection, topic, body=b"later", queue_id=0, **properties):
    """Sends one message with a timer and gives the answer, a success."""
    answer = connection.call(SEND, mq.send_fields(topic, queue_id, properties), body)
    assert answer.code == 0, (answer.code, answer.remark)
    return answer


def in_time(broker, name, act):
    """What act(topic, due_ms) gives when it is done before that time: with a fresh topic, and more time, until it is."""
    for more_ms in (2500 << n for n in range(5)):
        due_ms = mq.now_ms() + more_ms
        done = act(make_topic(broker, name()), due_ms)
        if mq.now_ms() < due_ms - 1000:
            return done
    raise TimeoutError("a machine that is too busy")


def tick_of(due_ms):
    """The start of the second in which the time lies; an exact second is the end of the one before."""
    return (due_ms - 1) // 1000 * 1000


def recall(connection, topic, handle, **more):
    return connection.call(RECALL, {"producerGroup": "flow_producer", "topic": topic,
                                    "recallHandle": handle, **more})


@pytest.fixture
def recalls(broker):
    """Recalls are allowed in this test."""
    assert broker.call(25, body=b"recallMessageEnable=true\n").code == 0
    yield
    assert broker.call(25, body=b"recallMessageEnable=false\n").code == 0


def handle_of(topic, broker="broker-a", due_ms=None, key="KEY", version="v1"):
    due_ms = mq.now_ms() + 60000 if due_ms is None else due_ms
    return base64.urlsafe_b64encode(("%s %s %s %s %s" % (version, topic, broker, due_ms, key)).encode()).decode()


# ---- sending ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name_of_time", ("TIMER_DELIVER_MS", "TIMER_DELAY_MS", "TIMER_DELAY_SEC"))
def test_a_message_comes_at_its_time_and_not_before(broker, topic, group, name_of_time):
    sent_ms = mq.now_ms()
    value = {"TIMER_DELIVER_MS": sent_ms + 1200, "TIMER_DELAY_MS": 1200, "TIMER_DELAY_SEC": 1}[name_of_time]
    least_ms = sent_ms + (1000 if name_of_time == "TIMER_DELAY_SEC" else 1200)
    send_timed(broker, topic, b"timed", 2, **{name_of_time: value, "TAGS": "a", "KEYS": "k"})
    expect_not_before(broker, topic, least_ms, 2)
    record, = pull_all(broker, group, topic, 2)
    assert record.body == b"timed"
    assert (record.topic, record.queue_id, record.tag) == (topic, 2, "a")
    assert record.store_ms >= least_ms


def test_a_delivered_message_tells_how_it_waited(broker, topic, group):
    due_ms = mq.now_ms() + 700
    send_timed(broker, topic, queue_id=1, TIMER_DELIVER_MS=due_ms)
    record, = pull_all(broker, group, topic, 1)
    properties = record.properties
    assert properties["TIMER_OUT_MS"] == str(tick_of(due_ms))
    assert properties["TIMER_DELIVER_MS"] == str(due_ms)
    assert (properties["REAL_TOPIC"], properties["REAL_QID"]) == (topic, "1")
    assert int(properties["TIMER_DEQUEUE_MS"]) >= due_ms
    assert "TIMER_ENQUEUE_MS" in properties and "TIMER_ROLL_TIMES" not in properties
    assert "UNIQ_KEY" in properties


def test_the_answer_is_that_of_the_timer_topic_with_the_queue_asked_for(broker, topic):
    first = send_timed(broker, topic, queue_id=3, TIMER_DELAY_MS=60000)
    second = send_timed(broker, topic, queue_id=1, TIMER_DELAY_MS=60000)
    assert (first.ext["queueId"], second.ext["queueId"]) == ("3", "1")
    assert int(second.ext["queueOffset"]) == int(first.ext["queueOffset"]) + 1


def test_many_come_each_at_its_time(broker, topic, group):
    now = mq.now_ms()
    due = {b"%d" % i: now + 500 + (i * 37) % 900 for i in range(60)}
    for body, due_ms in due.items():
        send_timed(broker, topic, body, TIMER_DELIVER_MS=due_ms)
    records = pull_all(broker, group, topic, count=60)
    assert sorted(r.body for r in records) == sorted(due)
    assert all(record.store_ms >= due[record.body] for record in records)


def test_the_order_is_that_of_the_times(broker, name, group):
    def sent(topic, due_ms):
        for i in (4, 1, 3, 0, 2):
            send_timed(broker, topic, b"%d" % i, TIMER_DELIVER_MS=due_ms + 1000 * i)
        return topic

    records = pull_all(broker, group, in_time(broker, name, sent), count=5)
    assert [record.body for record in records] == [b"0", b"1", b"2", b"3", b"4"]


def test_the_strongest_time_counts(broker, topic, group):
    sent_ms = mq.now_ms()
    send_timed(broker, topic, b"sec", TIMER_DELAY_SEC=1, TIMER_DELAY_MS=60000, TIMER_DELIVER_MS=sent_ms + 60000)
    send_timed(broker, topic, b"ms", TIMER_DELAY_MS=900, TIMER_DELIVER_MS=sent_ms + 60000)
    assert {record.body for record in pull_all(broker, group, topic, count=2)} == {b"sec", b"ms"}


def test_a_time_that_is_over_delivers_at_once_without_a_handle(broker, topic, group):
    for properties in ({"TIMER_DELIVER_MS": 1}, {"TIMER_DELAY_MS": 0}, {"TIMER_DELAY_SEC": -5}):
        answer = send(broker, topic, b"now", properties=properties)
        assert "recallHandle" not in answer.ext
    assert len(pull_all(broker, group, topic, count=3)) == 3


def test_a_time_too_far_off_is_illegal(broker, topic):
    for properties in ({"TIMER_DELIVER_MS": mq.now_ms() + DAYS_3_MS + 60000}, {"TIMER_DELAY_MS": DAYS_3_MS + 60000},
                       {"TIMER_DELAY_SEC": 3 * 86400 + 60}):
        answer = broker.call(SEND, mq.send_fields(topic, 0, properties), b"x")
        assert answer.code == 13
        assert "max delay 259200000ms" in answer.remark
    send_timed(broker, topic, TIMER_DELAY_MS=DAYS_3_MS - 60000)


def test_a_time_that_is_no_number_is_illegal(broker, topic):
    for value in ("soon", "1.5", "", "99999999999999999999"):
        properties = {"TIMER_DELIVER_MS": value, "KEYS": "k"}
        answer = broker.call(SEND, mq.send_fields(topic, 0, properties), b"x")
        assert answer.code == (13 if value else 0), value


def test_a_delay_level_wins_over_a_timer(broker, topic, group):
    answer = broker.call(SEND, mq.send_fields(topic, 0, {"DELAY": "1", "TIMER_DELAY_SEC": "600"}), b"level")
    assert answer.code == 0 and "recallHandle" not in answer.ext
    record, = pull_all(broker, group, topic)
    assert "TIMER_DELAY_SEC" not in record.properties
    assert "TIMER_OUT_MS" not in record.properties


def test_a_delivered_message_sent_again_is_ordinary(broker, topic, group):
    """Its properties still name a time; TIMER_OUT_MS says that it had it."""
    answer = send(broker, topic, b"again", properties={"TIMER_DELAY_SEC": "60", "TIMER_OUT_MS": "1000"})
    assert int(answer.ext["queueOffset"]) == 0
    assert len(pull_all(broker, group, topic)) == 1


def test_a_big_message_does_not_hold_up_others(broker, topic, group, target):
    if target != "ramjet":
        pytest.skip("one record of more than maxMessageSize + 100 bytes stops the reference's timer for good")
    due_ms = mq.now_ms() + 800
    send_timed(broker, topic, b"b" * (4 << 20), 0, TIMER_DELIVER_MS=due_ms)
    for i in range(20):
        send_timed(broker, topic, b"%d" % i, 1, TIMER_DELIVER_MS=due_ms)
    assert len(pull_all(broker, group, topic, 1, count=20)) == 20
    record, = pull_all(broker, group, topic, 0)
    assert len(record.body) == 4 << 20


def test_the_timer_topic_takes_nothing_from_clients(broker, target):
    if target != "ramjet":
        pytest.skip("one such message stops the reference's timer for good")
    answer = broker.call(SEND, mq.send_fields("rmq_sys_wheel_timer", 0), b"poison")
    assert answer.code == 16
    assert "rmq_sys_wheel_timer" in answer.remark


def test_a_held_pull_is_answered_by_a_timer(broker, connect, topic, group):
    due_ms = mq.now_ms() + 1000
    send_timed(broker, topic, TIMER_DELIVER_MS=due_ms)
    answer = connect().call(11, mq.pull_fields(group, topic, suspend_ms=15000))
    assert answer.code == 0
    record, = mq.decode_records(answer.body)
    assert record.store_ms >= due_ms


# ---- recalls ---------------------------------------------------------------------------------


def test_a_handle_names_the_message_and_its_tick(broker, topic):
    due_ms = mq.now_ms() + 60000
    answer = send_timed(broker, topic, TIMER_DELIVER_MS=due_ms, UNIQ_KEY="ABC")
    raw = base64.urlsafe_b64decode(answer.ext["recallHandle"]).decode()
    assert raw.split(" ") == ["v1", topic, "broker-a", str(tick_of(due_ms) + 1), "ABC"]


def test_a_recalled_message_does_not_come(broker, name, group, recalls):
    def recalled(topic, due_ms):
        gone = send_timed(broker, topic, b"gone", TIMER_DELIVER_MS=due_ms, UNIQ_KEY="GONE" + topic)
        send_timed(broker, topic, b"stays", TIMER_DELIVER_MS=due_ms, UNIQ_KEY="STAYS" + topic)
        answer = recall(broker, topic, gone.ext["recallHandle"])
        send_timed(broker, topic, b"last", TIMER_DELIVER_MS=due_ms + 1500)
        return topic, answer

    topic, answer = in_time(broker, name, recalled)
    assert answer.code == 0, answer.remark
    assert answer.ext["msgId"] == "GONE" + topic
    assert answer.ext["MSG_REGION"] == "DefaultRegion"
    records = pull_all(broker, group, topic, count=2)
    assert {record.body for record in records} == {b"stays", b"last"}


def test_a_cancel_by_property_works_as_a_recall(broker, name, group):
    def cancelled(topic, due_ms):
        send_timed(broker, topic, b"gone", TIMER_DELIVER_MS=due_ms, UNIQ_KEY="GONE" + topic)
        send_timed(broker, topic, b"0", TIMER_DELIVER_MS=due_ms,
                   TIMER_DEL_UNIQKEY="%s+GONE%s" % (topic, topic))
        send_timed(broker, topic, b"last", TIMER_DELIVER_MS=due_ms + 1500)
        return topic

    record, = pull_all(broker, group, in_time(broker, name, cancelled))
    assert record.body == b"last"


def test_a_cancel_of_what_was_due_is_illegal(broker, topic):
    answer = broker.call(SEND, mq.send_fields(topic, 0, {"TIMER_DELIVER_MS": mq.now_ms() - 1,
                                                         "TIMER_DEL_UNIQKEY": topic + "+X"}), b"0")
    assert answer.code == 13


def test_a_recall_is_forbidden_unless_switched_on(broker, topic):
    answer = recall(broker, topic, handle_of(topic))
    assert answer.code == 16
    assert "forbidden" in answer.remark


def test_a_recall_for_an_unknown_topic(broker, name, recalls):
    topic = name("none")
    answer = recall(broker, topic, handle_of(topic))
    assert answer.code == 17
    assert topic in answer.remark


@pytest.mark.parametrize("fault", ("text", "no_base64", "version", "short", "topic", "broker", "past", "far", "no_time"))
def test_a_made_up_handle_is_refused(broker, topic, recalls, fault):
    handle = {
        "text": "x",
        "no_base64": "djEg*" + "A" * 30,
        "version": handle_of(topic, version="v2"),
        "short": base64.urlsafe_b64encode(("v1 %s broker-a 123" % topic).encode()).decode(),
        "topic": handle_of("another"),
        "broker": handle_of(topic, broker="broker-b"),
        "past": handle_of(topic, due_ms=mq.now_ms() - 1),
        "far": handle_of(topic, due_ms=mq.now_ms() + DAYS_3_MS + 1000),
        "no_time": handle_of(topic, due_ms="soon"),
    }[fault]
    answer = recall(broker, topic, handle)
    assert answer.code == 604, (answer.code, answer.remark)
    assert answer.remark


def test_a_handle_cannot_smuggle_properties(broker, topic, recalls, target):
    answer = recall(broker, topic, handle_of(topic, key="K\x02REAL_TOPIC\x01other\x02"))
    assert answer.code == differs(target, 0, 604, "the reference writes the key into the properties as it is")


def test_a_recall_before_its_broker_serves(broker, topic, recalls):
    until = mq.now_ms() + 600000
    assert broker.call(25, body=b"startAcceptSendRequestTimeStamp=%d\n" % until).code == 0
    try:
        assert recall(broker, topic, handle_of(topic)).code == 14
    finally:
        assert broker.call(25, body=b"startAcceptSendRequestTimeStamp=0\n").code == 0


def test_a_recall_without_a_handle(broker, topic, recalls):
    answer = broker.call(RECALL, {"topic": topic})
    assert answer.code == 604
    assert "recall handle is invalid" in answer.remark


# ---- state -----------------------------------------------------------------------------------


def test_slaves_can_ask_for_the_check_point_and_the_counts(broker, name):
    topic = make_topic(broker, name())
    send_timed(broker, topic, TIMER_DELAY_MS=60000)
    answer = broker.call(TIMER_CHECK)
    assert answer.code == 0 and len(answer.body) == 56
    wait_until(lambda: broker.call(TIMER_METRICS).json()["timingCount"].get(topic, {}).get("count") == 1)


def counted(connection, topic):
    """How many messages wait for a topic, by request."""
    return connection.call(TIMER_METRICS).json()["timingCount"].get(topic, {}).get("count")


def test_pending_messages_are_counted_in_a_file(target, tmp_path):
    """Goal: config/timermetrics tells how many messages wait for a topic, a restart goes on from it, and what was
    delivered is not among them.
    Method: three wait for hours, one for a moment; then a fourth."""
    with servers.Pair(target, tmp_path, conf=BROKER_CONF) as both:
        with both.broker.connect() as connection:
            topic = make_topic(connection, "counted")
            for _ in range(3):
                send_timed(connection, topic, TIMER_DELAY_SEC=7200)
            send_timed(connection, topic, TIMER_DELAY_MS=300)
            wait_until(lambda: max_offset(connection, topic) == 1 and counted(connection, topic) == 3, 60, "three to wait")
        both.broker.stop()
        saved = json.loads((both.broker.store / "config" / "timermetrics").read_text(encoding="utf-8"))
        assert saved["timingCount"][topic]["count"] == 3 and "counter" in saved["dataVersion"]
        both.broker.start()
        with both.broker.connect() as connection:
            assert counted(connection, topic) == 3
            send_timed(connection, topic, TIMER_DELAY_SEC=7200)
            wait_until(lambda: counted(connection, topic) == 4, 60, "the fourth")


def test_a_pending_message_is_found_by_key_in_the_timer_topic(broker, topic, name):
    key = name("key")
    send_timed(broker, topic, b"found", TIMER_DELAY_MS=60000, KEYS=key)
    query = {"topic": "rmq_sys_wheel_timer", "key": key, "maxNum": 4, "beginTimestamp": 0,
             "endTimestamp": mq.now_ms() + 60000}
    answer = wait_until(lambda: (a := broker.call(12, query)).code == 0 and a)
    assert [record.body for record in mq.decode_records(answer.body)] == [b"found"]


def test_a_batch_has_no_timer(broker, topic, target):
    body = mq.encode_batch([(b"a", {}), (b"b", {})])
    answer = broker.call(320, mq.send_fields(topic, 0, {"TIMER_DELAY_MS": "60000"}, batch=True), body)
    assert answer.code == differs(target, 0, 13, "the reference stores it in the timer topic as one record a message")


def test_times_are_kept_apart_by_topic_and_queue(broker, name, group):
    topics = [make_topic(broker, name()) for _ in range(3)]
    due_ms = mq.now_ms() + 900
    for number, topic in enumerate(topics):
        for queue in range(4):
            send_timed(broker, topic, b"%d.%d" % (number, queue), queue, TIMER_DELIVER_MS=due_ms + 100 * number)
    for number, topic in enumerate(topics):
        for queue in range(4):
            record, = pull_all(broker, group, topic, queue)
            assert record.body == b"%d.%d" % (number, queue)
            assert pull(broker, group, topic, 1, queue_id=queue).code != 0
