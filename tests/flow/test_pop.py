"""Pop: messages taken off queues for a while, acknowledged, made invisible for longer, put again."""

import time

import mini_client as mq
import pytest
from conftest import committed, differs, make_topic, max_offset, send
from pops import (BATCH_ACK, CHANGE, NOTIFY, PEEK, POLLING, POP, ack, ack_fields, altered, batch_entry, change,
                  offsets_of, pop, pop_fields, popped_of, starts_of)
from servers import wait_until

# the reference brings a message back in steps of a second, a few of them late
COMES_BACK_S = 60


def fill(broker, topic, count=3, queue=0, **more):
    for i in range(count):
        send(broker, topic, b"%d" % i, queue_id=queue, **more)


def pop_until(broker, group, topic, count=1, deadline_s=COMES_BACK_S, **more):
    """Pops until there are `count` messages; none of them is acknowledged."""
    found = []

    def enough():
        found.extend(pop(broker, group, topic, **more))
        return len(found) >= count

    wait_until(enough, deadline_s, "%d messages to pop" % count, 0.1)
    return found


# ---- what a pop gives --------------------------------------------------------------------------------


def test_pop_gives_messages_once(broker, topic, group):
    """Goal: a popped message is not popped again while it is invisible."""
    fill(broker, topic)
    assert sorted(m.body for m in pop(broker, group, topic)) == [b"0", b"1", b"2"]
    assert pop(broker, group, topic) == []


def test_answer_tells_where_the_messages_are(broker, topic, group):
    """Goal: startOffsetInfo, msgOffsetInfo, restNum and the times are those of the pop."""
    fill(broker, topic, 3, queue=1)
    before = mq.now_ms()
    answer = broker.call(POP, pop_fields(group, topic, queue=1, count=2, invisible_ms=30000))
    assert answer.code == 0 and answer.remark == "FOUND"
    assert starts_of(answer) == {(0, 1): 0} and offsets_of(answer) == {(0, 1): [0, 1]}
    assert answer.ext["restNum"] == "1" and answer.ext["invisibleTime"] == "30000"
    assert before - 1000 <= int(answer.ext["popTime"]) <= mq.now_ms() + 1000
    assert 0 <= int(answer.ext["reviveQid"]) < 8 and "orderCountInfo" not in answer.ext
    assert [r.body for r in mq.decode_records(answer.body)] == [b"0", b"1"]


def test_pop_reads_all_queues(broker, topic, group):
    """Goal: queue -1 is every queue; one answer has messages of all."""
    for queue in range(4):
        fill(broker, topic, 2, queue=queue)
    answer = broker.call(POP, pop_fields(group, topic))
    assert set(starts_of(answer)) == {(0, queue) for queue in range(4)}
    assert len(popped_of(answer, group)) == 8


def test_an_empty_pop_has_empty_infos(broker, topic, group):
    """Goal: the fields of a pop that gets nothing."""
    answer = broker.call(POP, pop_fields(group, topic))
    assert answer.code == 210
    assert answer.ext["startOffsetInfo"] == "" and answer.ext["msgOffsetInfo"] == ""
    assert answer.ext["restNum"] == "0" and "popTime" in answer.ext


def test_two_groups_pop_the_same_messages(broker, topic, name):
    """Goal: groups do not see each other's pops."""
    fill(broker, topic, 1)
    assert [m.body for m in pop(broker, name("group"), topic)] == [b"0"]
    assert [m.body for m in pop(broker, name("group"), topic)] == [b"0"]


def test_pop_moves_the_consumer_offset(broker, topic, group):
    """Goal: the group's offset stands behind what was popped."""
    fill(broker, topic, 3)
    pop(broker, group, topic, queue=0, count=2)
    wait_until(lambda: committed(broker, group, topic) == 2, what="the offset behind the pop")


@pytest.mark.parametrize("init, expected", ((0, [b"0", b"1", b"2"]), (1, [b"0", b"1", b"2"])))
def test_init_mode_of_a_fresh_topic(broker, topic, group, init, expected):
    """Goal: from min everything; from max everything too, while the queue's first message is fresh."""
    fill(broker, topic)
    assert [m.body for m in pop(broker, group, topic, queue=0, init=init)] == expected


def test_tags_filter(broker, topic, group):
    """Goal: only messages with the tag come, the offset passes over the others."""
    for tag in "abab":
        send(broker, topic, tag.encode(), properties={"TAGS": tag})
    answer = broker.call(POP, pop_fields(group, topic, queue=0, exp="b"))
    assert [r.body for r in mq.decode_records(answer.body)] == [b"b", b"b"]
    assert offsets_of(answer) == {(0, 0): [1, 3]} and starts_of(answer) == {(0, 0): 0}
    for message in popped_of(answer, group):
        assert ack(broker, group, message).code == 0
    wait_until(lambda: committed(broker, group, topic) == 4, what="the offset behind all")


def test_sql_filter(broker, topic, group, is_ramjet):
    """Goal: an SQL expression filters pops; one that is none is refused."""
    for number in range(4):
        send(broker, topic, b"%d" % number, properties={"n": str(number)})
    bodies = [m.body for m in pop(broker, group, topic, queue=0, expType="SQL92", exp="n > 1")]
    assert bodies == [b"2", b"3"]
    answer = broker.call(POP, pop_fields(group, topic, expType="SQL92", exp="n >"))
    assert answer.code == 23 and "parse the consumer's subscription failed" in answer.remark


def test_the_offset_passes_over_what_no_sql_matches(broker, topic, group):
    """Goal: of what an expression leaves out nothing holds the group back, before what it selects or behind."""
    for number in range(4):
        send(broker, topic, b"%d" % number, properties={"n": str(number)})
    answer = broker.call(POP, pop_fields(group, topic, queue=0, expType="SQL92", exp="n IN ('1', '2')"))
    assert offsets_of(answer) == {(0, 0): [1, 2]} and starts_of(answer) == {(0, 0): 0}
    for message in popped_of(answer, group):
        assert ack(broker, group, message).code == 0
    wait_until(lambda: committed(broker, group, topic) == 4, what="the offset behind all")


# ---- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields, code", (
    ({"maxMsgNums": 33}, 29),
    ({"queueId": 4}, 29),
    ({"topic": "no_such_topic_at_all"}, 17),
    ({"bornTime": 1}, 210),
    ({"exp": "||"}, 23),
))
def test_wrong_pops_are_refused(broker, topic, group, fields, code):
    """Goal: what is wrong with a pop has its code, and the fields of the answer are 0."""
    answer = broker.call(POP, {**pop_fields(group, topic), **fields})
    assert answer.code == code, answer.remark
    assert answer.ext["popTime"] == "0" and answer.ext["restNum"] == "0"


def test_a_group_that_may_not_consume(broker, topic, group):
    """Goal: consumeEnable false refuses pops and notifications."""
    assert broker.call(200, body={"groupName": group, "consumeEnable": False}).code == 0
    assert broker.call(POP, pop_fields(group, topic)).code == 16
    assert broker.call(NOTIFY, {"consumerGroup": group, "topic": topic, "queueId": -1, "pollTime": 0,
                                "bornTime": mq.now_ms()}).code == 16


def test_a_topic_that_may_not_be_read(broker, name, group):
    """Goal: a topic without read permission refuses pops."""
    topic = make_topic(broker, name("topic"), perm=2)
    assert broker.call(POP, pop_fields(group, topic)).code == 16


def test_an_invisible_time_the_timer_cannot_keep(broker, topic, group, target):
    """Goal: days on end are refused; the reference hands the message out and never brings it back."""
    fill(broker, topic, 1)
    answer = broker.call(POP, pop_fields(group, topic, invisible_ms=30 * 86400 * 1000))
    assert answer.code == differs(target, 0, 29, "the reference's timer refuses the checkpoint")


def test_codes_cut_to_16_bits(connect, topic, group, target):
    """Goal: a binary header cuts the code of a pop; it is understood, the reference does not know it."""
    binary = connect(kind=mq.BINARY)
    fill(binary, topic, 1)
    answer = binary.call(POP - 0x30000, pop_fields(group, topic))
    assert answer.code == differs(target, 3, 0, "clients with binary headers can pop")


# ---- acks --------------------------------------------------------------------------------------------


def test_acked_messages_do_not_come_back(broker, topic, group):
    """Goal: after the invisible time only what was not acknowledged comes back.
    Method: two of three are acknowledged; the third comes back, and then nothing more."""
    fill(broker, topic)
    messages = pop(broker, group, topic, queue=0, invisible_ms=2000)
    assert [ack(broker, group, m).code for m in messages[:2]] == [0, 0]
    again, = pop_until(broker, group, topic)
    assert again.body == b"2"
    assert ack(broker, group, again).code == 0
    assert pop(broker, group, topic) == []


def test_a_message_put_again_tells_its_past(broker, topic, group):
    """Goal: it comes from the retry topic under the topic's name, reconsumed once more, with its
    properties, the time of its first pop, and its handle."""
    send(broker, topic, b"work", queue_id=2, properties={"TAGS": "t", "KEYS": "k"})
    answer = broker.call(POP, pop_fields(group, topic, invisible_ms=1000))
    first, = popped_of(answer, group)
    again, = pop_until(broker, group, topic)
    record = again.record
    assert record.topic == topic and record.reconsume_times == 1 and record.queue_id == 0
    assert record.properties["TAGS"] == "t" and record.properties["KEYS"] == "k"
    assert record.properties["UNIQ_KEY"] == first.record.properties["UNIQ_KEY"]
    assert record.properties["1ST_POP_TIME"] == answer.ext["popTime"]
    assert record.born_ms == first.record.born_ms
    assert again.topic == "%RETRY%" + group + "_" + topic
    assert len(again.handle.split(" ")) == 8 and again.handle.split(" ")[4] == "1"
    assert max_offset(broker, again.topic) == 1


def test_a_message_comes_back_again_and_again(broker, topic, group):
    """Goal: each time it is not acknowledged it counts one more; its first pop stays its first."""
    fill(broker, topic, 1)
    answer = broker.call(POP, pop_fields(group, topic, invisible_ms=1000))
    for times in (1, 2):
        again, = pop_until(broker, group, topic, invisible_ms=1000)
        assert again.record.reconsume_times == times
        assert again.record.properties["1ST_POP_TIME"] == answer.ext["popTime"]


def test_a_message_does_not_come_early(broker, topic, group):
    """Goal: nothing comes back before its time is over."""
    fill(broker, topic, 1)
    begin = time.monotonic()
    pop(broker, group, topic, invisible_ms=3000)
    pop_until(broker, group, topic)
    assert time.monotonic() - begin >= 2.99


def test_an_ack_may_be_repeated(broker, topic, group):
    """Goal: a second ack of a message is no error."""
    fill(broker, topic, 2)
    message, other = pop(broker, group, topic, queue=0)
    assert ack(broker, group, message).code == 0
    assert ack(broker, group, message).code == 0
    assert ack(broker, group, other).code == 0
    assert ack(broker, group, other).code == 0


@pytest.mark.parametrize("fields, code", (
    ({"topic": "no_such_topic_at_all"}, 17),
    ({"queueId": 4}, 13),
    ({"queueId": -1}, 13),
    ({"offset": 99}, 208),
    ({"offset": -1}, 208),
    ({"extraInfo": "0 1 2 3"}, 1),
    ({"extraInfo": "a b c d e f"}, 1),
))
def test_wrong_acks_are_refused(broker, topic, group, fields, code):
    """Goal: what is wrong with an ack has its code."""
    fill(broker, topic, 1)
    message, = pop(broker, group, topic)
    answer = ack(broker, group, message, **fields)
    assert answer.code == code, answer.remark
    assert answer.remark


REFUSED, NOT_OUT = (13, 13), (0, 208)  # of an ack, of a change
ALTERATIONS = (  # part of the handle, what becomes of it, Ramjet's codes
    (0, lambda start: start + 1, NOT_OUT), (0, 1 << 40, REFUSED), (0, -1, (1, 1)),
    (1, lambda pop_time: pop_time + 1, NOT_OUT), (1, lambda pop_time: pop_time + 3600000, REFUSED),
    (2, 1, REFUSED), (2, lambda invisible: invisible + 1, REFUSED),
    (3, lambda revive_queue: (revive_queue + 1) % 8, REFUSED), (3, 7777, REFUSED), (3, 999, (0, 0)),
    (4, 1, REFUSED), (4, 2, REFUSED), (4, 3, (1, 1)),
    (5, "another", REFUSED), (6, 1, REFUSED), (7, lambda offset: offset + 1, REFUSED),
)


def test_altered_handles_take_nothing_off(broker, topic, group, target):
    """Goal: a handle of which one field was altered acknowledges and changes nothing, and is refused where it can be
    told from one whose pop has ended.
    Method: a message for each field and value; an ack and a change to no time with it. Then the handles that were given
    still count, and every message comes again, once."""
    fill(broker, topic, 1 + len(ALTERATIONS))
    messages = pop(broker, group, topic, queue=0, invisible_ms=600000, poll_ms=20000)[1:]
    for message, (part, value, codes) in zip(messages, ALTERATIONS, strict=True):
        handle = altered(message.handle, part, value)
        told = (ack(broker, group, message, extraInfo=handle).code,
                change(broker, group, message, 0, extraInfo=handle)[0].code)
        assert told == differs(target, told, codes, "the reference writes most of what it is told"), (part, handle)
    if target == "ramjet":
        assert [change(broker, group, message, 0)[0].code for message in messages] == [0] * len(messages)
        again = pop_until(broker, group, topic, len(messages))
        assert sorted(m.body for m in again) == sorted(m.body for m in messages)
        assert all(m.record.reconsume_times == 1 for m in again)


def test_another_groups_handle_takes_nothing_off(broker, topic, group, name):
    """Goal: an ack in the name of another group does not acknowledge."""
    fill(broker, topic, 1)
    message, = pop(broker, group, topic, invisible_ms=2000)
    assert ack(broker, name("other"), message).code == 0
    assert pop_until(broker, group, topic)[0].body == b"0"


# ---- batch acks --------------------------------------------------------------------------------------


def batch_ack(broker, *entries, broker_name="broker-a"):
    return broker.call(BATCH_ACK, body={"brokerName": broker_name, "acks": list(entries)})


def test_batch_ack(broker, topic, group):
    """Goal: several messages of several pops are acknowledged at once."""
    fill(broker, topic, 3)
    fill(broker, topic, 2, queue=1)
    first = pop(broker, group, topic, queue=0, invisible_ms=2000)
    second = pop(broker, group, topic, queue=1, invisible_ms=2000)
    assert batch_ack(broker, batch_entry(group, topic, first[0].handle, [0, 2]),
                     batch_entry(group, topic, second[0].handle, [0, 1])).code == 0
    again, = pop_until(broker, group, topic)
    assert again.body == b"1" and again.record.reconsume_times == 1
    assert batch_ack(broker, batch_entry(group, topic, again.handle, [again.record.queue_offset])).code == 0
    assert pop(broker, group, topic) == []


@pytest.mark.parametrize("body, code", ((b"", 208), ({"brokerName": "broker-a", "acks": []}, 208), (b"x", 1)))
def test_a_batch_without_acks(broker, body, code):
    """Goal: a batch with nothing in it is told."""
    assert broker.call(BATCH_ACK, body=body).code == code


def test_impossible_entries_of_a_batch_do_nothing(broker, topic, group):
    """Goal: entries for unknown topics, brokers and offsets are passed over; the others count."""
    fill(broker, topic, 2)
    first, second = pop(broker, group, topic, queue=0, invisible_ms=2000)
    entry = batch_entry(group, topic, first.handle, [0, 1])
    assert batch_ack(broker, {**entry, "t": "no_such_topic_at_all"}).code == 0
    assert batch_ack(broker, entry, broker_name="another").code == 0
    assert batch_ack(broker, batch_entry(group, topic, first.handle, [0, 1000])).code == 0
    again, = pop_until(broker, group, topic)
    assert again.body == second.body


# ---- another invisible time --------------------------------------------------------------------------


def test_a_longer_invisible_time(broker, topic, group):
    """Goal: a message made invisible for longer comes back after the new time, under the new handle."""
    fill(broker, topic, 1)
    begin = time.monotonic()
    message, = pop(broker, group, topic, invisible_ms=2000)
    answer, changed = change(broker, group, message, 6000)
    assert answer.code == 0 and answer.ext["invisibleTime"] == "6000"
    assert answer.ext["reviveQid"] == message.handle.split(" ")[3]
    pop_until(broker, group, topic)
    assert time.monotonic() - begin >= 5.99
    assert changed.handle != message.handle


def test_a_changed_message_is_acked_by_its_new_handle(broker, topic, group):
    """Goal: the ack of the new handle counts."""
    fill(broker, topic, 2)
    message, other = pop(broker, group, topic, queue=0, invisible_ms=3000)
    answer, changed = change(broker, group, message, 3000)
    assert answer.code == 0
    assert ack(broker, group, changed).code == 0
    assert [m.body for m in pop_until(broker, group, topic)] == [other.body]


def test_a_shorter_invisible_time(broker, topic, group):
    """Goal: a message can be made visible at once."""
    fill(broker, topic, 1)
    message, = pop(broker, group, topic, invisible_ms=600000)
    assert change(broker, group, message, 0)[0].code == 0
    again, = pop_until(broker, group, topic)
    assert again.record.reconsume_times == 1


@pytest.mark.parametrize("fields, code", (
    ({"topic": "no_such_topic_at_all"}, 17),
    ({"queueId": 4}, 13),
    ({"offset": 1}, 208),
    ({"offset": -1}, 208),
    ({"extraInfo": "0 1 2 3"}, 1),
))
def test_wrong_changes_are_refused(broker, topic, group, fields, code):
    """Goal: what is wrong with a change has its code."""
    fill(broker, topic, 1)
    message, = pop(broker, group, topic)
    assert broker.call(CHANGE, {**ack_fields(group, message), "invisibleTime": 1000, **fields}).code == code


def test_an_acked_message_cannot_be_brought_back(broker, topic, group, target):
    """Goal: a change after the ack is refused; the reference would bring the message back."""
    fill(broker, topic, 1)
    message, = pop(broker, group, topic)
    assert ack(broker, group, message).code == 0
    code = differs(target, 0, 208, "an acknowledged message never comes back")
    assert change(broker, group, message, 1000)[0].code == code


# ---- retry topics of the second kind -----------------------------------------------------------------


@pytest.fixture
def second_kind(broker):
    assert broker.call(25, body=b"enableRetryTopicV2=true").code == 0
    yield
    assert broker.call(25, body=b"enableRetryTopicV2=false").code == 0


def test_retry_topic_of_the_second_kind(broker, topic, group, second_kind):
    """Goal: with enableRetryTopicV2 a message comes back by way of %RETRY%group+topic."""
    fill(broker, topic, 1)
    pop(broker, group, topic, invisible_ms=1000)
    again, = pop_until(broker, group, topic)
    assert again.topic == "%RETRY%" + group + "+" + topic and again.handle.split(" ")[4] == "2"
    assert ack(broker, group, again).code == 0


def test_what_was_put_again_before_the_switch(broker, topic, group, request):
    """Goal: messages in a retry topic of the first kind are still popped after the switch."""
    fill(broker, topic, 1)
    pop(broker, group, topic, invisible_ms=1000)
    retry_topic = "%RETRY%" + group + "_" + topic
    wait_until(lambda: max_offset(broker, retry_topic) == 1, COMES_BACK_S, "the message in " + retry_topic)
    request.getfixturevalue("second_kind")
    again, = pop_until(broker, group, topic)
    assert again.topic == retry_topic


# ---- waiting -----------------------------------------------------------------------------------------


def test_a_waiting_pop_is_woken_by_a_message(broker, connect, topic, group):
    """Goal: a pop that waits is answered when a message comes, long before its time is over."""
    waiting = connect()
    opaque = waiting.send(POP, pop_fields(group, topic, poll_ms=mq.LONG_MS))
    wait_until(lambda: polling(broker, group, topic) == 1, what="the pop to wait")
    send(broker, topic, b"now", queue_id=3)
    answer = waiting.receive(opaque)
    assert answer.code == 0 and [r.body for r in mq.decode_records(answer.body)] == [b"now"]


def polling(broker, group, topic, queue=-1):
    answer = broker.call(POLLING, {"consumerGroup": group, "topic": topic, "queueId": queue})
    assert answer.code == 0, answer.remark
    return int(answer.ext["pollingNum"])


def test_a_waiting_pop_of_one_queue(broker, connect, topic, group):
    """Goal: a pop that waits for a queue is not woken by another one."""
    waiting = connect()
    opaque = waiting.send(POP, pop_fields(group, topic, queue=1, poll_ms=mq.LONG_MS))
    wait_until(lambda: polling(broker, group, topic, 1) == 1, what="the pop to wait")
    send(broker, topic, b"other", queue_id=2)
    assert polling(broker, group, topic, 1) == 1
    send(broker, topic, b"mine", queue_id=1)
    assert [r.body for r in mq.decode_records(waiting.receive(opaque).body)] == [b"mine"]


def test_a_waiting_pop_ends_with_its_time(broker, topic, group):
    """Goal: nothing came: 210 after the poll time, less 50 ms."""
    begin = time.monotonic()
    assert broker.call(POP, pop_fields(group, topic, poll_ms=1000)).code == 210
    assert 0.9 <= time.monotonic() - begin


def test_a_waiting_pop_with_tags(broker, connect, topic, group):
    """Goal: a message of another tag does not wake it for good, one of its own does."""
    waiting = connect()
    opaque = waiting.send(POP, pop_fields(group, topic, exp="b", poll_ms=mq.LONG_MS))
    wait_until(lambda: polling(broker, group, topic) == 1, what="the pop to wait")
    send(broker, topic, b"a", properties={"TAGS": "a"})
    send(broker, topic, b"b", properties={"TAGS": "b"})
    assert [r.body for r in mq.decode_records(waiting.receive(opaque).body)] == [b"b"]


def test_one_message_wakes_one_pop(broker, connect, topic, group):
    """Goal: of several that wait, each message is given to one."""
    waiting = [connect() for _ in range(3)]
    opaques = [c.send(POP, pop_fields(group, topic, poll_ms=mq.LONG_MS)) for c in waiting]
    for left, body in ((2, b"1"), (1, b"2"), (0, b"3")):
        wait_until(lambda: polling(broker, group, topic) == left + 1, what="pops to wait")
        send(broker, topic, body)
        wait_until(lambda: polling(broker, group, topic) == left, what="the pop that was woken")
    answers = [c.receive(opaque) for c, opaque in zip(waiting, opaques)]
    assert sorted(m.body for answer in answers for m in popped_of(answer, group)) == [b"1", b"2", b"3"]


def test_a_waiting_pop_gets_what_comes_back(broker, connect, topic, group, is_ramjet):
    """Goal: a message that nobody acknowledged wakes the pop that waits. (The reference's waits for its
    poll time: retry topics of the first kind wake nobody.)"""
    fill(broker, topic, 1)
    pop(broker, group, topic, invisible_ms=1500)
    waiting = connect()
    answer = waiting.call(POP, pop_fields(group, topic, poll_ms=mq.LONG_MS if is_ramjet else 9000))
    assert answer.code == 0 and popped_of(answer, group)[0].record.reconsume_times == 1


def test_a_closed_connection_waits_no_more(broker, pair, topic, group, is_ramjet):
    """Goal: a message is not given to a client that has gone."""
    gone = pair.broker.connect()
    gone.send(POP, pop_fields(group, topic, poll_ms=mq.LONG_MS))
    wait_until(lambda: polling(broker, group, topic) == 1, what="the pop to wait")
    gone.close()
    # the reference counts it on, but passes over who is closed
    wait_until(lambda: polling(broker, group, topic) == (0 if is_ramjet else 1), what="the close to be seen")
    send(broker, topic, b"alive")
    assert [m.body for m in pop_until(broker, group, topic, poll_ms=500)] == [b"alive"]


# ---- notification, peek ------------------------------------------------------------------------------


def notify_fields(group, topic, queue=-1, poll_ms=0, **more):
    return {"consumerGroup": group, "topic": topic, "queueId": queue, "pollTime": poll_ms,
            "bornTime": mq.now_ms(), **more}


def test_notification_tells_whether_there_is_something(broker, topic, group):
    """Goal: hasMsg before and after a message, and after its pop."""
    answer = broker.call(NOTIFY, notify_fields(group, topic))
    assert answer.code == 0 and answer.ext == {"hasMsg": "false", "pollingFull": "false"}
    fill(broker, topic, 1)
    assert broker.call(NOTIFY, notify_fields(group, topic)).ext["hasMsg"] == "true"
    assert broker.call(NOTIFY, notify_fields(group, topic, queue=1)).ext["hasMsg"] == "false"
    pop(broker, group, topic)
    wait_until(lambda: broker.call(NOTIFY, notify_fields(group, topic)).ext["hasMsg"] == "false",
               what="the popped message to be gone")


def test_a_waiting_notification_is_told(broker, connect, topic, group):
    """Goal: it waits for a message, and leaves it to the pops."""
    waiting = connect()
    opaque = waiting.send(NOTIFY, notify_fields(group, topic, poll_ms=mq.LONG_MS))
    assert broker.call(NOTIFY, notify_fields(group, topic)).ext["hasMsg"] == "false"
    send(broker, topic, b"now")
    assert waiting.receive(opaque).ext["hasMsg"] == "true"
    assert [m.body for m in pop(broker, group, topic)] == [b"now"]


def test_a_waiting_notification_ends_with_its_time(broker, topic, group):
    """Goal: nothing came: false after the poll time."""
    assert broker.call(NOTIFY, notify_fields(group, topic, poll_ms=500)).ext["hasMsg"] == "false"


def test_peek_leaves_everything(broker, topic, group):
    """Goal: a peek gives messages and changes nothing; without any it answers 19."""
    fields = {"topic": topic, "queueId": -1, "maxMsgNums": 2, "consumerGroup": group}
    assert broker.call(PEEK, fields).code == 19
    fill(broker, topic, 3)
    answer = broker.call(PEEK, fields)
    assert answer.code == 0 and len(mq.decode_records(answer.body)) == 2
    assert answer.ext["restNum"] == "3"
    assert len(pop(broker, group, topic)) == 3


def test_the_fast_port_does_not_pop(pair, topic, group):
    """Goal: what may wait is not served at listenPort - 2, acks are."""
    with mq.Connection(("127.0.0.1", pair.broker.port - 2)) as fast:
        assert fast.call(POP, pop_fields(group, topic)).code == 3
        assert fast.call(NOTIFY, notify_fields(group, topic)).code == 3
        assert fast.call(BATCH_ACK).code == 208
