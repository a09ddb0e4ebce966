"""Pop in order: a queue gives its next messages only when those that are out are acknowledged or visible."""

import time

import mini_client as mq
import pytest
from conftest import committed, differs, make_topic, send
from pops import (ACK, NOTIFY, POP, ack, altered, batch_entry, change, pop, pop_fields, popped_of, starts_of, BATCH_ACK)
from servers import wait_until

DELETE_TOPIC = 215


def fill(broker, topic, count=3, queue=0):
    for i in range(count):
        send(broker, topic, b"%d" % i, queue_id=queue)


def take(broker, group, topic, **more):
    return pop(broker, group, topic, order=True, queue=0, **more)


def bodies(messages):
    return [m.body for m in messages]


def test_a_set_blocks_its_queue(broker, topic, group):
    """Goal: while messages of a queue are out, nobody gets more of it."""
    fill(broker, topic)
    answer = broker.call(POP, pop_fields(group, topic, queue=0, order=True, count=2))
    assert answer.code == 0 and answer.ext["reviveQid"] == "999"
    assert answer.ext["orderCountInfo"] == "0 0 0" and starts_of(answer) == {(0, 0): 0}
    assert take(broker, group, topic) == []


def test_acks_free_the_queue(broker, topic, group):
    """Goal: the offset follows the first message that is out; with the last ack the next set comes."""
    fill(broker, topic)
    first, second = take(broker, group, topic, count=2)
    assert ack(broker, group, second).code == 0
    assert committed(broker, group, topic) == 0 and take(broker, group, topic) == []
    assert ack(broker, group, first).code == 0
    assert committed(broker, group, topic) == 2
    assert bodies(take(broker, group, topic)) == [b"2"]


def test_the_set_comes_again_after_its_time(broker, topic, group):
    """Goal: what was not acknowledged is visible again in its place, counted, and not before its time."""
    fill(broker, topic)
    begin = time.monotonic()
    first, *_ = take(broker, group, topic, invisible_ms=3000)
    assert ack(broker, group, first).code == 0
    answer = wait_until(lambda: blocked_no_more(broker, group, topic), what="the rest of the set")
    assert time.monotonic() - begin >= 2.99
    assert bodies(popped_of(answer, group)) == [b"1", b"2"]
    assert sorted(answer.ext["orderCountInfo"].split(";")) == ["0 0 1", "0 qo0%1 1", "0 qo0%2 1"]
    assert all(m.record.reconsume_times == 0 for m in popped_of(answer, group))


def blocked_no_more(broker, group, topic):
    answer = broker.call(POP, pop_fields(group, topic, queue=0, order=True))
    return answer if answer.code == 0 else None


def test_the_same_attempt_gets_the_set_again(broker, topic, group):
    """Goal: a client that did not get the answer asks again with its attempt id; others get nothing."""
    fill(broker, topic)
    assert bodies(take(broker, group, topic, attemptId="a1", count=2)) == [b"0", b"1"]
    assert take(broker, group, topic, attemptId="a2", count=2) == []
    again = take(broker, group, topic, attemptId="a1", count=2)
    assert bodies(again) == [b"0", b"1"]
    assert [ack(broker, group, m).code for m in again] == [0, 0]
    assert bodies(take(broker, group, topic, attemptId="a2", count=2)) == [b"2"]


def test_acks_of_an_earlier_pop_change_nothing(broker, topic, group):
    """Goal: after the same attempt popped again, handles of its first pop do nothing."""
    fill(broker, topic, 1)
    first, = take(broker, group, topic, attemptId="a1")
    wait_until(lambda: mq.now_ms() > int(first.handle.split(" ")[1]), what="another millisecond")
    take(broker, group, topic, attemptId="a1")
    assert ack(broker, group, first).code == 0
    assert take(broker, group, topic) == []


def test_acks_of_what_is_not_out(broker, topic, group):
    """Goal: an offset that is not of the set is refused."""
    fill(broker, topic, 3)
    message, = take(broker, group, topic, count=1)
    assert ack(broker, group, message, offset=2, extraInfo=message.handle.rsplit(" ", 1)[0]).code == 13


def test_acks_out_of_order_stay(broker, topic, group, target):
    """Goal: what was acknowledged behind a message that comes again does not come with it."""
    fill(broker, topic, 4)
    _, second, _ = take(broker, group, topic, count=3, invisible_ms=3000)
    assert ack(broker, group, second).code == 0
    again = wait_until(lambda: take(broker, group, topic), what="the set")
    assert bodies(again) == differs(target, [b"0", b"1", b"2", b"3"], [b"0", b"2", b"3"], "an acked message stays away")
    assert ack(broker, group, again[0]).code == 0
    assert committed(broker, group, topic) == differs(target, 1, 2, "it counts once its turn comes")
    assert [ack(broker, group, m).code for m in again[1:]] == [0] * len(again[1:])
    assert committed(broker, group, topic) == 4


def test_a_topic_made_again_begins_anew(broker, topic, group, target):
    """Goal: what was out or acknowledged in order of a deleted topic hides nothing of the next topic of that name."""
    fill(broker, topic, 3)
    _, second, _ = take(broker, group, topic, count=3)
    assert ack(broker, group, second).code == 0
    assert broker.call(DELETE_TOPIC, {"topic": topic}).code == 0
    make_topic(broker, topic)
    fill(broker, topic, 3)
    found = bodies(take(broker, group, topic, count=3))
    assert found == differs(target, [], [b"0", b"1", b"2"], "the reference keeps the set until its time is over")


def test_a_handle_of_no_set_moves_no_offset(broker, topic, group, target):
    """Goal: a handle in order that was made up, or whose set went in a crash, passes no message over."""
    fill(broker, topic, 3)
    handle = "0 %d 60000 999 0 broker-a 0" % mq.now_ms()
    answer = broker.call(ACK, {"consumerGroup": group, "topic": topic, "queueId": 0, "offset": 1,
                               "extraInfo": handle + " 1"})
    assert answer.code == differs(target, 0, 13, "the reference takes the offset's word")
    found = wait_until(lambda: take(broker, group, topic), what="messages")
    assert bodies(found) == differs(target, [b"2"], [b"0", b"1", b"2"], "0 and 1 were never out")


@pytest.mark.parametrize("part, value, code", (
    (0, 1 << 40, 13), (1, lambda pop_time: pop_time + 1, 0), (1, lambda pop_time: pop_time + 3600000, 13), (3, 0, 0),
    (3, 7777, 13), (4, 1, 13), (4, 3, 1), (5, "another", 13), (6, 1, 13), (7, 1, 13)))
def test_altered_handles_free_nothing(broker, topic, group, target, part, value, code):
    """Goal: an ack in order whose handle had one field altered leaves the set as it is, and the one that was given
    still counts."""
    fill(broker, topic, 2)
    first, second = take(broker, group, topic)
    told = ack(broker, group, first, extraInfo=altered(first.handle, part, value)).code
    if told != differs(target, told, code, "the reference goes by topic, queue and offset of the request"):
        pytest.fail("%s: %d" % (altered(first.handle, part, value), told))
    if target == "ramjet":
        assert committed(broker, group, topic) == 0 and take(broker, group, topic) == []
        assert [ack(broker, group, message).code for message in (first, second)] == [0, 0]
        assert committed(broker, group, topic) == 2


@pytest.mark.parametrize("other", ("", "a", "a1 ", "A1", "a11", "\u0430" + "1", None))
def test_another_attempt_gets_nothing(broker, topic, group, other):
    """Goal: an attempt id that was made up or altered gets none of a set that is out, and changes nothing of it."""
    fill(broker, topic, 1)
    message, = take(broker, group, topic, attemptId="a1")
    assert take(broker, group, topic, attemptId=other) == []
    fields = {"consumerGroup": group, "topic": topic, "queueId": 0, "pollTime": 0, "bornTime": mq.now_ms(), "order": True}
    assert broker.call(NOTIFY, {**fields, "attemptId": other}).ext["hasMsg"] == "false"
    assert bodies(take(broker, group, topic, attemptId="a1")) == bodies([message])


def test_batch_ack_in_order(broker, topic, group):
    """Goal: a batch acknowledges a set."""
    fill(broker, topic, 3)
    messages = take(broker, group, topic, count=2)
    entry = batch_entry(group, topic, messages[0].handle, [0, 1])
    assert broker.call(BATCH_ACK, body={"brokerName": "broker-a", "acks": [entry]}).code == 0
    assert bodies(take(broker, group, topic)) == [b"2"]


def test_a_message_of_the_set_visible_sooner(broker, topic, group):
    """Goal: changing its invisible time frees the queue then."""
    fill(broker, topic, 1)
    message, = take(broker, group, topic, invisible_ms=600000)
    answer, _ = change(broker, group, message, 1000)
    assert answer.code == 0 and answer.ext["reviveQid"] == "999"
    assert answer.ext["popTime"] == message.handle.split(" ")[1]
    assert take(broker, group, topic) == []
    assert bodies(wait_until(lambda: take(broker, group, topic), what="the message")) == [b"0"]


def test_the_last_ack_wakes_who_waits(broker, connect, topic, group):
    """Goal: a pop that waits for a blocked queue is woken by the ack that frees it."""
    fill(broker, topic, 2)
    message, = take(broker, group, topic, count=1)
    waiting = connect()
    opaque = waiting.send(POP, pop_fields(group, topic, queue=0, order=True, poll_ms=mq.LONG_MS))
    assert take(broker, group, topic) == []
    assert ack(broker, group, message).code == 0
    answer = waiting.receive(opaque)
    assert bodies(popped_of(answer, group)) == [b"1"]


def test_the_end_of_its_time_wakes_who_waits(broker, connect, topic, group):
    """Goal: a pop that waits for a blocked queue is woken when the set is visible again."""
    fill(broker, topic, 1)
    take(broker, group, topic, invisible_ms=1500)
    answer = connect().call(POP, pop_fields(group, topic, queue=0, order=True, poll_ms=mq.LONG_MS))
    assert bodies(popped_of(answer, group)) == [b"0"]


def test_other_queues_are_free(broker, topic, group):
    """Goal: a set blocks its queue only; a pop of any queue goes on with the others."""
    fill(broker, topic, 1, queue=0)
    take(broker, group, topic)
    send(broker, topic, b"other", queue_id=1)
    assert bodies(pop(broker, group, topic, order=True)) == [b"other"]


def test_notification_in_order(broker, topic, group):
    """Goal: a blocked queue has nothing to pop."""
    fill(broker, topic, 2)
    message, = take(broker, group, topic, count=1)
    fields = {"consumerGroup": group, "topic": topic, "queueId": 0, "pollTime": 0, "bornTime": mq.now_ms(),
              "order": True}
    assert broker.call(NOTIFY, fields).ext["hasMsg"] == "false"
    assert ack(broker, group, message).code == 0
    assert broker.call(NOTIFY, fields).ext["hasMsg"] == "true"


@pytest.mark.parametrize("length", (128, 129))
def test_long_attempt_ids(broker, topic, group, length, is_ramjet):
    """Goal: an attempt id of any length is taken; one that is too long to be kept is as none."""
    fill(broker, topic, 1)
    take(broker, group, topic, attemptId="a" * length)
    again = take(broker, group, topic, attemptId="a" * length)
    assert len(again) == (0 if is_ramjet and length > 128 else 1)
