"""Topics with batch queues (queue.type=BatchCQ): a batch with a unique key is one record that consumers take apart,
and takes as many queue offsets as it has messages (store-format, batch consume queue; wire-protocol, send family)."""

import pytest

import mini_client as mq
import servers
from conftest import differs, make_topic, max_offset, pull
from pops import ack, batch_entry, change, pop, BATCH_ACK

SEND, SEND_BATCH, SEARCH_OFFSET, MIN_OFFSET, UPDATE_OFFSET, QUERY_OFFSET = 310, 320, 29, 31, 15, 14
NEED_UNWRAP, INNER_BATCH = 0x40, 0x80


@pytest.fixture
def batch_topic(broker, name):
    return make_topic(broker, name("topic"), queues=2, attributes="+queue.type=BatchCQ")


def send_batch(connection, topic, *bodies, queue_id=0, key="0A0B0C0D0E0F0001", **more):
    """A batch; with a key it becomes one record. Returns when it can be pulled."""
    items = [(body, {"KEYS": "k"}) for body in bodies]
    properties = {"UNIQ_KEY": key} if key else {}
    answer = connection.call(SEND_BATCH, mq.send_fields(topic, queue_id, properties, batch=True, **more),
                             mq.encode_batch(items))
    if answer.code == 0:
        end = int(answer.ext["queueOffset"]) + len(bodies)
        servers.wait_until(lambda: max_offset(connection, topic, queue_id) >= end)
    return answer


def send_one(connection, topic, body, queue_id=0, properties=None, **more):
    answer = connection.call(SEND, mq.send_fields(topic, queue_id, properties, **more), body)
    if answer.code == 0:
        end = int(answer.ext["queueOffset"])
        servers.wait_until(lambda: max_offset(connection, topic, queue_id) > end)
    return answer


def bodies_of(record):
    """What an inner batch holds, as a consumer takes it apart."""
    data, bodies = record.body, []
    while data:
        total = int.from_bytes(data[:4], "big")
        length = int.from_bytes(data[16:20], "big")
        bodies.append(data[20:20 + length])
        data = data[total:]
    return bodies


def test_batch_with_a_key_is_one_record(broker, batch_topic, group):
    """Goal: the answer has the key as batchUniqId and one id; the record says how many messages it holds and where they
    begin, and the next message comes behind them."""
    answer = send_batch(broker, batch_topic, b"a", b"bb", b"ccc")
    assert (answer.code, int(answer.ext["queueOffset"])) == (0, 0)
    assert answer.ext["batchUniqId"] == "0A0B0C0D0E0F0001" and "," not in answer.ext["msgId"]
    answer = send_batch(broker, batch_topic, b"d", b"e", key="0A0B0C0D0E0F0002")
    assert int(answer.ext["queueOffset"]) == 3
    answer = pull(broker, group, batch_topic)
    first, second = mq.decode_records(answer.body)
    assert (answer.code, int(answer.ext["nextBeginOffset"]), int(answer.ext["maxOffset"])) == (0, 5, 5)
    assert [bodies_of(record) for record in (first, second)] == [[b"a", b"bb", b"ccc"], [b"d", b"e"]]
    assert [record.queue_offset for record in (first, second)] == [0, 3]
    assert all(record.sys_flag & (NEED_UNWRAP | INNER_BATCH) == NEED_UNWRAP | INNER_BATCH for record in (first, second))
    assert [(record.properties["INNER_NUM"], record.properties["INNER_BASE"]) for record in (first, second)] == \
        [("3", "0"), ("2", "3")]


def test_batch_without_a_key_is_so_many_records(broker, batch_topic, group):
    """Goal: each message a record with an entry of its own, no batchUniqId."""
    answer = send_batch(broker, batch_topic, b"a", b"b", key=None)
    assert answer.code == 0 and "batchUniqId" not in answer.ext
    assert [record.body for record in mq.decode_records(pull(broker, group, batch_topic).body)] == [b"a", b"b"]


def test_plain_messages_stand_between_batches(broker, batch_topic, group):
    """Goal: a message of its own takes one offset."""
    send_batch(broker, batch_topic, b"a", b"b")
    assert int(send_one(broker, batch_topic, b"c").ext["queueOffset"]) == 2
    assert int(send_batch(broker, batch_topic, b"d", b"e").ext["queueOffset"]) == 3
    records = mq.decode_records(pull(broker, group, batch_topic).body)
    assert [record.queue_offset for record in records] == [0, 2, 3]


def test_pull_from_the_middle_of_a_batch_gives_all_of_it(broker, batch_topic, group):
    """Goal: the record that holds the offset comes whole; the consumer leaves out what lies before."""
    send_batch(broker, batch_topic, b"a", b"b", b"c")
    send_one(broker, batch_topic, b"d")
    for offset, first in ((0, 0), (1, 0), (2, 0), (3, 3)):
        answer = pull(broker, group, batch_topic, offset)
        assert mq.decode_records(answer.body)[0].queue_offset == first, offset
        assert int(answer.ext["nextBeginOffset"]) == 4


def test_count_is_of_messages(broker, batch_topic, group):
    """Goal: at most maxMsgNums messages, but one record at least."""
    for _ in range(4):
        send_batch(broker, batch_topic, b"a", b"b", b"c")
    for wish, given in ((1, 3), (3, 3), (5, 3), (6, 6), (32, 12)):
        answer = pull(broker, group, batch_topic, count=wish)
        assert int(answer.ext["nextBeginOffset"]) == given, wish


def test_held_pull_is_woken_by_a_batch(broker, connect, batch_topic, group):
    """Goal: as by a message."""
    send_one(broker, batch_topic, b"a")
    waiter = connect()
    opaque = waiter.send(11, mq.pull_fields(group, batch_topic, offset=1, suspend_ms=20000))
    waiter.call(28)
    send_batch(broker, batch_topic, b"b", b"c")
    assert bodies_of(mq.decode_records(waiter.receive(opaque).body)[0]) == [b"b", b"c"]


def test_empty_batch_queue_begins_at_minus_one(broker, batch_topic):
    """Goal: the minimum is -1 before the first message, then 0."""
    assert broker.call(MIN_OFFSET, {"topic": batch_topic, "queueId": 0}).ext["offset"] == "-1"
    assert max_offset(broker, batch_topic) == 0
    send_batch(broker, batch_topic, b"a", b"b")
    assert broker.call(MIN_OFFSET, {"topic": batch_topic, "queueId": 0}).ext["offset"] == "0"
    assert max_offset(broker, batch_topic) == 2


def test_search_by_time_gives_the_start_of_a_batch(broker, batch_topic, group):
    """Goal: the offset by time is one where a record begins. Method: the store time of the second of three."""
    for _ in range(3):
        send_batch(broker, batch_topic, b"a", b"b")
    times = [record.store_ms for record in mq.decode_records(pull(broker, group, batch_topic).body)]
    answer = broker.call(SEARCH_OFFSET, {"topic": batch_topic, "queueId": 0, "timestamp": times[0] - 5,
                                         "boundaryType": "LOWER"})
    assert answer.ext["offset"] == "0"
    answer = broker.call(SEARCH_OFFSET, {"topic": batch_topic, "queueId": 0, "timestamp": times[2],
                                         "boundaryType": "LOWER"})
    assert int(answer.ext["offset"]) in (0, 2, 4)


def test_inner_batch_to_an_ordinary_topic_is_refused(broker, topic):
    """Goal: 13."""
    body = mq.encode_batch([(b"a", {}), (b"b", {})])
    answer = send_one(broker, topic, body, properties={"INNER_NUM": "2"}, sysFlag=INNER_BATCH | NEED_UNWRAP)
    assert answer.code == 13


def test_number_of_an_inner_batch_without_the_flag_is_refused(broker, batch_topic):
    """Goal: 13."""
    body = mq.encode_batch([(b"a", {}), (b"b", {})])
    assert send_one(broker, batch_topic, body, properties={"INNER_NUM": "2"}).code == 13


def test_number_of_an_inner_batch_must_be_true(broker, batch_topic, target):
    """Goal: 13 when the body has another number of messages. The reference takes what is told, and so many offsets."""
    body = mq.encode_batch([(b"a", {}), (b"b", {})])
    for number in ("3", "0", "-1", "70000", "x"):
        if target != "ramjet":
            continue
        answer = send_one(broker, batch_topic, body, properties={"INNER_NUM": number}, sysFlag=INNER_BATCH | NEED_UNWRAP)
        assert answer.code == differs(target, 0, 13, "a wrong number leads consumers astray"), number
    answer = send_one(broker, batch_topic, body, properties={"INNER_NUM": "2"}, sysFlag=INNER_BATCH | NEED_UNWRAP)
    assert answer.code == 0
    assert max_offset(broker, batch_topic) == 2


def test_deleted_batch_topic_begins_anew(broker, batch_topic):
    """Goal: nothing of the old queues is left, and the name may be an ordinary topic's."""
    send_batch(broker, batch_topic, b"a", b"b")
    assert broker.call(215, {"topic": batch_topic}).code == 0
    make_topic(broker, batch_topic, queues=2)
    assert max_offset(broker, batch_topic) == 0
    answer = send_batch(broker, batch_topic, b"a", b"b")
    assert answer.code == 0 and "batchUniqId" not in answer.ext
    assert max_offset(broker, batch_topic) == 2


def pop_until(connection, group, topic, check, **more):
    """Pops that wait, until check() of a message is true, and gives that message."""
    def found():
        return next((m for m in pop(connection, group, topic, poll_ms=1000, **more) if check(m)), None)
    return servers.wait_until(found, 60, "the message")


def consumer_offset(connection, group, topic, queue_id=0):
    answer = connection.call(QUERY_OFFSET, {"consumerGroup": group, "topic": topic, "queueId": queue_id})
    return int(answer.ext["offset"]) if answer.code == 0 else None


def test_pop_gives_batches_whole(broker, batch_topic, group):
    """Goal: a batch is popped as one record, under the offset of its first message; the group's offset is then behind
    its last one. Method: two batches, an ordinary message between them."""
    send_batch(broker, batch_topic, b"a", b"bb", b"ccc")
    send_one(broker, batch_topic, b"d")
    send_batch(broker, batch_topic, b"e", b"f", key="0A0B0C0D0E0F0002")
    first, second, third = pop(broker, group, batch_topic, queue=0)
    assert [bodies_of(popped.record) for popped in (first, third)] == [[b"a", b"bb", b"ccc"], [b"e", b"f"]]
    assert second.body == b"d"
    assert [popped.record.queue_offset for popped in (first, second, third)] == [0, 3, 4]
    assert pop(broker, group, batch_topic, queue=0) == []
    servers.wait_until(lambda: consumer_offset(broker, group, batch_topic) == 6)


def test_acked_batches_do_not_come_back(broker, batch_topic, group, target):
    """Goal: an ack of the first message's offset is one of the batch; a batch that is not acknowledged comes back
    whole when its time is over. The reference tries to put it on an ordinary retry topic, refuses it as an inner batch
    there, and tries again later and later. Method: only the one that shall come back has a short time."""
    send_batch(broker, batch_topic, b"a", b"bb")
    send_batch(broker, batch_topic, b"c", b"d", key="0A0B0C0D0E0F0002")
    send_batch(broker, batch_topic, b"e", b"f", key="0A0B0C0D0E0F0003")
    first, second, third = pop(broker, group, batch_topic, queue=0)
    assert ack(broker, group, first).code == 0
    entry = batch_entry(group, batch_topic, third.handle, [third.record.queue_offset])
    assert broker.call(BATCH_ACK, body={"brokerName": "broker-a", "acks": [entry]}).code == 0
    assert change(broker, group, second, 500)[0].code == 0
    if differs(target, False, True, "a batch comes back as others"):
        again = pop_until(broker, group, batch_topic, lambda popped: True)
        assert again.body == second.body and again.record.reconsume_times == 1
        assert bodies_of(again.record) == [b"c", b"d"]
        assert ack(broker, group, again).code == 0
        assert pop(broker, group, batch_topic) == []


def test_pop_from_the_middle_of_a_batch_gives_all_of_it(broker, batch_topic, group):
    """Goal: a group whose offset lies inside a batch gets the batch, and can acknowledge it. Method: the offset is
    committed by hand; all invisible times are longer than the test."""
    send_batch(broker, batch_topic, b"a", b"b", b"c")
    send_batch(broker, batch_topic, b"d", b"e", key="0A0B0C0D0E0F0002")
    fields = {"consumerGroup": group, "topic": batch_topic, "queueId": 0, "commitOffset": 1}
    assert broker.call(200, body={"groupName": group}).code == 0
    assert broker.call(UPDATE_OFFSET, fields).code == 0
    found = pop(broker, group, batch_topic, queue=0)
    assert [bodies_of(popped.record) for popped in found] == [[b"a", b"b", b"c"], [b"d", b"e"]]
    for popped in found:
        assert ack(broker, group, popped).code == 0
    assert broker.call(MIN_OFFSET, {"topic": batch_topic, "queueId": 0}).code == 0


def test_batches_popped_in_order_block_their_queue(broker, batch_topic, group, target):
    """Goal: an ordered pop of batches blocks the queue until each was acknowledged, and the next one goes on behind
    them. The reference goes on behind the first message of the last batch, and so pops that batch again."""
    send_batch(broker, batch_topic, b"a", b"b", b"c")
    send_batch(broker, batch_topic, b"d", b"e", key="0A0B0C0D0E0F0002")
    first, second = pop(broker, group, batch_topic, queue=0, order=True)
    assert pop(broker, group, batch_topic, queue=0, order=True) == []
    for popped in (first, second):
        assert ack(broker, group, popped).code == 0
    send_batch(broker, batch_topic, b"f", b"g", key="0A0B0C0D0E0F0003")
    places = [popped.record.queue_offset for popped in pop(broker, group, batch_topic, queue=0, order=True)]
    assert places == differs(target, [3, 5], [5], "what was acknowledged does not come back")
