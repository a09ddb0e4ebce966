"""Consumer offsets after a kill: what was popped since their last save is found in the log, and only pops wait for it."""

import json
import re
import sys
from pathlib import Path

import mini_client as mq
import pytest
from servers import wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from pops import ack, change, pop, pop_fields, popped_of, FOUND, POLLING_TIMEOUT, POP  # noqa: E402

SEND, PULL, COMMIT, PUT_TOPIC, PUT_GROUP, RESET = 310, 11, 15, 17, 200, 222
BUSY = 2
TOPIC, GROUP = "pop_recovery", "pop_recovery_group"
PENDING = 10000
UNDER_WAY = 64
LONG_MS = 600000
HOLD = "fail pop.recover 0 1000000 would_block"


def make_topic(connection):
    answer = connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, 1))
    assert answer.code == 0, answer.remark


def send(connection, body, properties=None):
    answer = connection.call(SEND, mq.send_fields(TOPIC, 0, properties), body)
    assert answer.code == 0, answer.remark


def fill_timers(connection, count):
    """Pipelined, due in an hour. What a busy machine refuses is sent again."""
    waiting = []
    while count > 0 or waiting:
        if count > 0 and len(waiting) < UNDER_WAY:
            waiting.append(connection.send(SEND, mq.send_fields(TOPIC, 0, {"TIMER_DELAY_SEC": 3600}), b"later"))
            count -= 1
        else:
            code = connection.receive(waiting.pop(0), 30).code
            assert code in (0, BUSY)
            count += code == BUSY


def offsets_text(broker):
    path = broker.store / "config" / "consumerOffset.json"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def noted(broker):
    """Up to where the saved consumer offsets say that the timer's queue is known; -1: they do not."""
    found = re.search(r'"rmq_sys_wheel_timer@CID_RMQ_SYS_POP_NOTED":\s*{\s*0:(\d+)', offsets_text(broker))
    return int(found.group(1)) if found else -1


def bodies_of(messages):
    return [message.body for message in messages]


def pop_some(connection, broker, count, **more):
    return pop(connection, GROUP, TOPIC, count=count, broker_name=broker.name,
               **{"invisible_ms": LONG_MS, "poll_ms": 10000, **more})


@pytest.fixture
def held(broker):
    """A broker that was killed with messages 0 to 19 of 30 popped and no consumer offset saved, and whose recovery is
    held from its next start on; with the messages that are out."""
    broker.conf["flushConsumerOffsetInterval"] = 600000
    broker.start()
    with broker.connect() as connection:
        make_topic(connection)
        for number in range(30):
            send(connection, b"%d" % number)
        out = pop_some(connection, broker, 20)
        fill_timers(connection, PENDING)
    assert bodies_of(out) == [b"%d" % number for number in range(20)]
    broker.kill()
    broker.take_faults(HOLD).start()
    return broker, out


def test_sends_and_pulls_do_not_wait(held):
    """Goal: before the log was read, sends are accepted and pulls answered; a pop gets nothing, even if it does not
    ask to wait; when it was read, a pop that waits gets what was not popped, and only that."""
    broker, _ = held
    with broker.connect() as connection, broker.connect() as other:
        send(connection, b"new")
        assert connection.call(PULL, mq.pull_fields("reader", TOPIC)).code == 0
        assert pop_some(connection, broker, 32, poll_ms=0, expect=(POLLING_TIMEOUT,)) == []
        waiting = other.send(POP, pop_fields(GROUP, TOPIC, invisible_ms=LONG_MS, poll_ms=50000))
        assert pop_some(connection, broker, 32, poll_ms=0, expect=(POLLING_TIMEOUT,)) == []
        broker.arm("clear")
        answer = other.receive(waiting)
        assert answer.code == FOUND
        assert bodies_of(popped_of(answer, GROUP, broker.name)) == [b"%d" % n for n in range(20, 30)] + [b"new"]
        assert pop_some(connection, broker, 32, poll_ms=0) == []


def test_handles_count_before_the_recovery(held):
    """Goal: an ack and a changed time that come while pops still wait are kept: what is acknowledged stays away, what
    was changed comes at its new time, the rest stays out."""
    broker, out = held
    with broker.connect() as connection:
        for message in out[1:10]:
            assert ack(connection, GROUP, message).code == 0
        answer, changed = change(connection, GROUP, out[0], 3000)
        assert answer.code == 0, answer.remark
        due_ms = int(answer.ext["popTime"]) + int(answer.ext["invisibleTime"])
        broker.arm("clear")
        assert bodies_of(pop_some(connection, broker, 32)) == [b"%d" % number for number in range(20, 30)]
        again = []
        wait_until(lambda: again.extend(pop_some(connection, broker, 32, poll_ms=1000)) or again, 60, "message 0")
        assert mq.now_ms() >= due_ms and bodies_of(again) == [changed.body]
        assert pop_some(connection, broker, 32, poll_ms=0) == []


def test_a_save_in_between_loses_nothing(held):
    """Goal: consumer offsets that are saved before the recovery is through do not hide what it had still to read.
    Method: a commit is saved, then the broker is killed once more."""
    broker, _ = held
    broker.kill()
    broker.conf["flushConsumerOffsetInterval"] = 100
    broker.start()
    with broker.connect() as connection:
        assert connection.call(PUT_GROUP, body={"groupName": "reader"}).code == 0
        answer = connection.call(COMMIT, {"consumerGroup": "reader", "topic": TOPIC, "queueId": 0, "commitOffset": 7})
        assert answer.code == 0, answer.remark
        wait_until(lambda: TOPIC + "@reader" in offsets_text(broker), 60, "the save")
    broker.kill()
    broker.take_faults().start()
    with broker.connect() as connection:
        assert bodies_of(pop_some(connection, broker, 32)) == [b"%d" % number for number in range(20, 30)]


def test_a_reset_in_between_stays(held):
    """Goal: an offset that is reset before the recovery is through is not moved by it."""
    broker, _ = held
    with broker.connect() as connection:
        assert connection.call(PUT_GROUP, body={"groupName": GROUP}).code == 0
        answer = connection.call(RESET, {"group": GROUP, "topic": TOPIC, "timestamp": -1, "isForce": True,
                                         "queueId": 0, "offset": 15})
        assert answer.code == 0, answer.remark
        broker.arm("clear")
        assert bodies_of(pop_some(connection, broker, 32)) == [b"%d" % number for number in range(15, 30)]


def test_a_made_up_checkpoint_moves_no_offset(broker):
    """Goal: a client's timer that looks like a checkpoint is a message like any other."""
    broker.start()
    with broker.connect() as connection:
        make_topic(connection)
        for number in range(4):
            send(connection, b"%d" % number)
        assert bodies_of(pop_some(connection, broker, 1)) == [b"0"]
        made_up = {"so": 0, "bm": 0, "n": 1, "c": GROUP, "t": TOPIC, "q": 0, "pt": mq.now_ms(), "it": LONG_MS,
                   "d": [0], "bn": broker.name, "ro": 0}
        send(connection, json.dumps(made_up).encode(), {"TIMER_DELAY_SEC": 3600, "TAGS": "ck", "POP_NEXT": 4})
    broker.kill()
    broker.start()
    with broker.connect() as connection:
        assert bodies_of(pop_some(connection, broker, 32)) == [b"1", b"2", b"3"]


@pytest.mark.conf(flushConsumerOffsetInterval=100)
def test_pending_timers_alone_are_noted(broker):
    """Goal: while nobody pops, timers that wait are noted every few thousands, so that a start does not look through
    all of them."""
    broker.start()
    with broker.connect() as connection:
        make_topic(connection)
        assert noted(broker) == 0
        fill_timers(connection, PENDING)
        wait_until(lambda: noted(broker) >= PENDING // 4096 * 4096, 60, "the note")
