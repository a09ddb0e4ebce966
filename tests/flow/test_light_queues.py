"""Light queues (LMQ): one message, more queues (store-format, LMQ). A broker of its own: enableLmq and
enableMultiDispatch are off by default."""

import json

import mini_client as mq
import pops
import pytest
import servers
from conftest import BROKER_CONF, differs, expect_not_before, make_topic, max_offset, pull, pull_all
from servers import wait_until

SEND, SEND_BATCH, QUERY_OFFSET, UPDATE_OFFSET, SEARCH, MIN, EARLIEST = 310, 320, 14, 15, 29, 31, 32
NAMES, PLACES = "INNER_MULTI_DISPATCH", "INNER_MULTI_QUEUE_OFFSET"
LIMIT = 40


@pytest.fixture(scope="module")
def pair(target, tmp_path_factory):
    conf = {**BROKER_CONF, "enableLmq": "true", "enableMultiDispatch": "true", "maxLmqConsumeQueueNum": LIMIT,
            "flushConsumerOffsetInterval": 300}
    with servers.Pair(target, tmp_path_factory.mktemp("light"), conf=conf) as both:
        yield both


@pytest.fixture
def light(name):
    """A light queue's name nobody else uses."""
    return lambda: "%LMQ%" + name("q")[-20:]


def send_to(connection, topic, *names, body=b"x", queue_id=0, **properties):
    """Sends one message that goes to these light queues too; returns when it stands in them."""
    ends = [max_offset(connection, name) for name in names]
    answer = connection.call(SEND, mq.send_fields(topic, queue_id, {NAMES: ",".join(names), **properties}), body)
    assert answer.code == 0, (answer.code, answer.remark)
    if "DELAY" not in properties:
        for name, end in zip(names, ends):
            wait_until(lambda: max_offset(connection, name) > end)
    return answer


def places_of(record):
    return dict(zip(record.properties[NAMES].split(","), map(int, record.properties[PLACES].split(","))))


def test_message_stands_in_the_queues_it_names(broker, topic, group, light):
    """Goal: each light queue has its messages in order, numbered by itself; the record says its places, and its own
    topic and queue."""
    a, b = light(), light()
    send_to(broker, topic, a, b, body=b"one", queue_id=2)
    send_to(broker, topic, b, body=b"two", queue_id=1)
    send_to(broker, topic, b, a, body=b"three")
    in_a, in_b = (pull_all(broker, group, name, count=count) for name, count in ((a, 2), (b, 3)))
    assert [r.body for r in in_a] == [b"one", b"three"]
    assert [r.body for r in in_b] == [b"one", b"two", b"three"]
    assert [places_of(r)[b] for r in in_b] == [0, 1, 2] and [places_of(r)[a] for r in in_a] == [0, 1]
    assert {(r.topic, r.queue_id) for r in in_b} == {(topic, 2), (topic, 1), (topic, 0)}
    assert pull_all(broker, group, topic, queue_id=2)[0].body == b"one"


def test_bounds_and_times_of_a_light_queue(broker, topic, light):
    """Goal: min, max, the offset by time and the earliest time are answered as for any queue."""
    a = light()
    before = mq.now_ms()
    for _ in range(3):
        send_to(broker, topic, a)
    ask = {"topic": a, "queueId": 0}
    assert int(broker.call(MIN, ask).ext["offset"]) == 0 and max_offset(broker, a) == 3
    assert int(broker.call(SEARCH, {**ask, "timestamp": before - 1000}).ext["offset"]) == 0
    assert int(broker.call(EARLIEST, ask).ext["timestamp"]) >= before


def test_waiting_pull_is_woken_by_a_light_queue(broker, connect, topic, group, light):
    """Goal: a pull that waits on a light queue gets the message when it comes."""
    a = light()
    send_to(broker, topic, a)
    waiter = connect()
    opaque = waiter.send(11, mq.pull_fields(group, a, offset=1, suspend_ms=20000))
    send_to(broker, topic, a, body=b"late")
    answer = waiter.receive(opaque)
    assert answer.code == 0 and mq.decode_records(answer.body)[0].body == b"late"


def test_light_names_need_no_creation(broker, light, group, topic):
    """Goal: a light topic and a light group are taken as they come, and are in no table."""
    a, reader = light(), light()
    send_to(broker, topic, a)
    assert broker.call(11, mq.pull_fields(reader, a)).code == 0
    fields = {"consumerGroup": reader, "topic": a, "queueId": 0, "commitOffset": 1}
    assert broker.call(UPDATE_OFFSET, fields).code == 0
    assert a not in broker.call(21).json()["topicConfigTable"]
    assert reader not in broker.call(201).json()["subscriptionGroupTable"]
    assert broker.call(11, mq.pull_fields(group, a, queue_id=1)).code != 0, "it has one queue"


def test_a_name_that_no_queue_can_have_is_none(target, broker, connect, group):
    """Goal: a light name that is too long for a topic, or that no directory can have, is no topic, also for a pull
    that would wait there; and the broker goes on."""
    code = differs(target, 19, 17, "the reference waits for what can never come")
    for name in ("%LMQ%" + "q" * 600, "%LMQ%a/b"):
        answer = connect().call(11, mq.pull_fields(group, name, suspend_ms=1000))
        assert answer.code == code, (name, answer.code, answer.remark)
    assert broker.call(21).code == 0


def test_offsets_of_light_groups_are_in_their_file(pair, broker, topic, light):
    """Goal: what a light group commits is in lmqOffsetTable of config/lmqConsumerOffset.json, what others commit in
    offsetTable."""
    a, reader = light(), light()
    send_to(broker, topic, a)
    for group in (reader, "plain"):
        broker.call(11, mq.pull_fields(group, a))
        assert broker.call(UPDATE_OFFSET, {"consumerGroup": group, "topic": a, "queueId": 0,
                                           "commitOffset": 1}).code == 0
        answer = broker.call(QUERY_OFFSET, {"consumerGroup": group, "topic": a, "queueId": 0})
        assert (answer.code, int(answer.ext["offset"])) == (0, 1)
    path = pair.broker.store / "config" / "lmqConsumerOffset.json"

    def saved():
        try:
            table = mq.parse_json(path.read_bytes())
        except (OSError, ValueError):
            return False
        return table["lmqOffsetTable"].get("%s@%s" % (a, reader)) == 1 and "%s@plain" % a in table["offsetTable"]
    wait_until(saved, 60, "the offsets in their file")


def test_delayed_message_reaches_its_light_queues_when_due(broker, topic, group, light):
    """Goal: a message with a delay level is in the light queue once it is in its own."""
    a = light()
    begin_ms = mq.now_ms()
    send_to(broker, topic, a, body=b"later", DELAY="1")
    expect_not_before(broker, a, begin_ms + 1000)
    wait_until(lambda: max_offset(broker, a) == 1, 60)
    record = pull_all(broker, group, a)[0]
    assert (record.body, record.topic, places_of(record)[a]) == (b"later", topic, 0)


def test_half_message_is_in_no_light_queue(broker, topic, group, light, target):
    """Goal: a transactional message reaches light queues when it is committed, once."""
    a = light()
    properties = {"TRAN_MSG": "true", "PGROUP": group, "UNIQ_KEY": "%032X" % mq.now_ms(), NAMES: a}
    half = broker.call(SEND, mq.send_fields(topic, 0, properties, sysFlag=4, producerGroup=group), b"money")
    assert half.code == 0
    fields = {"topic": topic, "producerGroup": group, "tranStateTableOffset": half.ext["queueOffset"],
              "commitLogOffset": mq.phy_offset_of(half.ext["msgId"]), "commitOrRollback": 8,
              "fromTransactionCheck": False, "msgId": properties["UNIQ_KEY"],
              "transactionId": half.ext["transactionId"]}
    assert broker.call(37, fields).code == 0
    wait_until(lambda: max_offset(broker, topic, 0) == 1)
    expected = differs(target, 2, 1, "the reference shows the half message to readers of the light queue")
    wait_until(lambda: max_offset(broker, a) >= expected)
    assert max_offset(broker, a) == expected


def test_places_made_up_by_a_client_count_for_nothing(broker, topic, group, light):
    """Goal: the places a record has are the broker's."""
    a = light()
    send_to(broker, topic, a, **{PLACES: "77"})
    assert places_of(pull_all(broker, group, a)[0]) == {a: 0}


def test_batch_goes_to_its_own_queue_only(broker, topic, group, light):
    """Goal: messages of a batch are in no light queue, whatever they name."""
    a = light()
    body = mq.encode_batch([(b"one", {NAMES: a}), (b"two", {NAMES: a})])
    assert broker.call(SEND_BATCH, mq.send_fields(topic, 0, {NAMES: a}, batch=True), body).code == 0
    assert len(pull_all(broker, group, topic, count=2)) == 2
    assert max_offset(broker, a) == 0


def test_light_queue_takes_messages_by_its_own_name(broker, topic, group, light):
    """Goal: a send to the light topic itself is stored there."""
    a = light()
    assert broker.call(SEND, mq.send_fields(a, 0), b"own").code == 0
    assert pull_all(broker, group, a)[0].body == b"own"


def test_light_queue_is_popped_and_acked(broker, topic, light):
    """Goal: a pop from a light queue answers with places in that queue, and an acked message does not come back."""
    a, reader = light(), light()
    send_to(broker, topic, a, body=b"one", queue_id=3)
    send_to(broker, topic, light(), a, body=b"two", queue_id=2)
    answer = broker.call(pops.POP, pops.pop_fields(reader, a, queue=0, poll_ms=5000))
    assert answer.code == 0, answer.remark
    assert [r.body for r in mq.decode_records(answer.body)] == [b"one", b"two"]
    assert pops.offsets_of(answer) == {(0, 0): [0, 1]}
    start = pops.starts_of(answer)[0, 0]
    for offset in (0, 1):
        handle = "%d %s %s %s 0 broker-a 0 %d" % (start, answer.ext["popTime"], answer.ext["invisibleTime"],
                                                 answer.ext["reviveQid"], offset)
        fields = {"consumerGroup": reader, "topic": a, "queueId": 0, "extraInfo": handle, "offset": offset}
        assert broker.call(pops.ACK, fields).code == 0
    again = broker.call(pops.POP, pops.pop_fields(reader, a, queue=0))
    assert again.code == pops.POLLING_TIMEOUT


def test_unacked_message_of_a_light_queue_comes_back(broker, topic, light):
    """Goal: what is popped from a light queue and not acknowledged is on the retry topic later."""
    a, reader = light(), light()
    send_to(broker, topic, light(), body=b"other", queue_id=0)
    send_to(broker, topic, a, body=b"again", queue_id=0)
    answer = broker.call(pops.POP, pops.pop_fields(reader, a, queue=0, invisible_ms=1000, poll_ms=5000))
    assert answer.code == 0

    def came_back():
        more = broker.call(pops.POP, pops.pop_fields(reader, a, queue=-1, poll_ms=1000))
        return more.code == 0 and [r.body for r in mq.decode_records(more.body)] == [b"again"]
    wait_until(came_back, 60, "the message again")


@pytest.mark.parametrize("names", ["plain", "%LMQ%a,%LMQ%a", "%LMQ%a/b", "%LMQ%a,,%LMQ%b", "%LMQ%"])
def test_list_that_names_no_light_queues_is_refused(broker, topic, names, is_ramjet):
    """Goal: what is wrong with the list is told, and nothing is stored."""
    if not is_ramjet:
        pytest.skip("the reference stores it: names without %LMQ% stop its dispatch of every message behind")
    answer = broker.call(SEND, mq.send_fields(topic, 0, {NAMES: names}), b"x")
    assert answer.code == 13 and NAMES in answer.remark
    assert max_offset(broker, topic) == 0


def test_too_many_light_queues_for_one_message_are_refused(broker, topic, is_ramjet):
    """Goal: no message makes more than 1024 queues, and none whose places would not fit in its properties."""
    if not is_ramjet:
        pytest.skip("the reference has no such limit")
    for names in (",".join("%%LMQ%%%d" % i for i in range(1025)), ",".join("%%LMQ%%%020d" % i for i in range(1000))):
        answer = broker.call(SEND, mq.send_fields(topic, 0, {NAMES: names}), b"x")
        assert answer.code == 13 and NAMES in answer.remark


def test_light_group_shows_in_progress_and_stats(broker, topic, light):
    """Goal: consume stats, topic stats and what was counted know light queues; counts stand under %LMQ% together."""
    a, reader = light(), light()
    send_to(broker, topic, a)
    send_to(broker, topic, a)
    assert broker.call(11, mq.pull_fields(reader, a)).code == 0
    assert broker.call(UPDATE_OFFSET, {"consumerGroup": reader, "topic": a, "queueId": 0, "commitOffset": 1}).code == 0
    table = broker.call(208, {"consumerGroup": reader, "topic": a}).json()["offsetTable"]
    (row,) = table.values()
    assert (row["brokerOffset"], row["consumerOffset"]) == (2, 1)
    (row,) = broker.call(202, {"topic": a}).json()["offsetTable"].values()
    assert (row["minOffset"], row["maxOffset"]) == (0, 2)
    answer = broker.call(315, {"statsName": "GROUP_GET_NUMS", "statsKey": "%LMQ%@%LMQ%"})
    assert answer.code == 0 and json.loads(answer.body)["statsMinute"]["sum"] >= 0


def test_creating_a_light_topic_changes_nothing(broker, topic, light, group):
    """Goal: a request to create one is taken and does nothing, whatever attributes it has."""
    a = light()
    make_topic(broker, a, queues=8, attributes="+queue.type=BatchCQ")
    send_to(broker, topic, a, body=b"one")
    assert [r.body for r in pull_all(broker, group, a)] == [b"one"]
    assert a not in broker.call(21).json()["topicConfigTable"]


def test_unused_topics_are_cleaned_but_light_ones(broker, topic, light):
    """Goal: the call that removes queues of unknown topics leaves light ones."""
    a = light()
    send_to(broker, topic, a)
    assert broker.call(316).code == 0
    assert max_offset(broker, a) == 1


def test_deleted_light_queue_begins_anew(broker, topic, light, group):
    """Goal: deleting the topic of a light queue empties it; the next message is its first."""
    a = light()
    send_to(broker, topic, a)
    assert broker.call(215, {"topic": a}).code == 0
    assert max_offset(broker, a) == 0
    send_to(broker, topic, a, body=b"new")
    assert [r.body for r in pull_all(broker, group, a)] == [b"new"]


def test_more_light_queues_than_the_limit_are_refused(broker, topic, light, is_ramjet):
    """Goal: a send that would make one too many is refused with the reference's remark; known ones go on. Runs last:
    the limit is the broker's."""
    if not is_ramjet:
        pytest.skip("5.3.3 has the setting and the code, and never counts")
    known = light()
    send_to(broker, topic, known)
    for i in range(LIMIT):
        answer = broker.call(SEND, mq.send_fields(topic, 0, {NAMES: "%%LMQ%%more%d" % i}), b"x")
        if answer.code != 0:
            break
    assert answer.code == 1 and "LMQ_CONSUME_QUEUE_NUM_EXCEEDED" in answer.remark
    assert broker.call(SEND, mq.send_fields(topic, 0, {NAMES: known}), b"x").code == 0
    assert broker.call(SEND, mq.send_fields("%LMQ%fresh", 0), b"x").code == 1
    assert make_topic(broker, "plain_after_limit") and broker.call(SEND, mq.send_fields(topic, 0), b"x").code == 0


@pytest.mark.parametrize("key", ["enableLmq", "enableMultiDispatch"])
def test_one_switch_alone_is_told(key, is_ramjet, tmp_path):
    """Goal: a broker with one of the two switches, which sends no message to light queues, says so at its start."""
    if not is_ramjet:
        pytest.skip("a line of Ramjet's log")
    with servers.Pair("ramjet", tmp_path, conf={key: "true"}) as both:
        wait_until(lambda: "light_queues_off key=%s" % key in both.broker.log_tail(100000), what="the line")
