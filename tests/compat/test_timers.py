"""Messages that wait for their time in a directory which brokers of both kinds open in turn."""

import signal
import struct

import mini_client as mq
import pytest
from servers import Broker, wait_until

REFERENCE = "rocketmq-5.3.3"
TOPIC = "compat-timer"
SEND, PULL, PUT_TOPIC, RECALL = 310, 11, 17, 370


def make_topic(connection):
    answer = connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, 1))
    assert answer.code == 0, answer.remark


def send_timed(connection, body, due_ms):
    fields = mq.send_fields(TOPIC, 0, {"TIMER_DELIVER_MS": due_ms, "UNIQ_KEY": "KEY" + body})
    answer = connection.call(SEND, fields, body.encode())
    assert answer.code == 0, answer.remark
    return answer.ext["recallHandle"]


def recall(connection, handle):
    answer = connection.call(RECALL, {"topic": TOPIC, "recallHandle": handle, "producerGroup": "p"})
    assert answer.code == 0, answer.remark


def delivered(broker):
    """body -> store times"""
    times, offset = {}, 0
    with broker.connect() as connection:
        while True:
            answer = connection.call(PULL, mq.pull_fields("compat_group", TOPIC, 0, offset))
            if answer.code != 0:
                return times
            for record in mq.decode_records(answer.body):
                times.setdefault(record.body.decode(), []).append(record.store_ms)
            offset = int(answer.ext["nextBeginOffset"])


def read_ms(broker):
    """Every second before it is known as delivered (the check point of the timers)."""
    with broker.connect() as connection:
        return struct.unpack_from(">q", connection.call(60).body)[0]


@pytest.mark.parametrize("end", (signal.SIGTERM, signal.SIGKILL), ids=("stopped", "killed"))
@pytest.mark.parametrize("turns", ((REFERENCE, "ramjet", REFERENCE), ("ramjet", REFERENCE, "ramjet")),
                         ids=("from_the_reference", "from_ramjet"))
def test_timers_go_to_and_fro(turns, end, name_server, tmp_path):
    """Goal: what one kind of broker took, the other delivers, at its time or as soon as it runs, never early; a
    recall made by one counts for the other; nothing is lost.
    Method: each turn sends a message for itself, and if it is not the last one for the next, one for the last, one that
    the next turn recalls. The window is fifteen seconds, so that most are rolled. What is delivered twice after a kill is what
    followed the last check point; a stop waits until that knows everything, and then nothing is."""
    due, handles, gone, unsure = {}, {}, set(), set()
    conf = {"recallMessageEnable": "true", "timerRollWindowSlot": 15}
    found = {}
    for turn, target in enumerate(turns):
        broker = Broker(target, tmp_path / ("%d" % turn), [name_server], store=tmp_path / "store", conf=conf)
        broker.start()
        if target == REFERENCE:  # one that is overdue at its start it delivers, recalled or not
            unsure |= {key for key in gone if due[key] < mq.now_ms() + 5000}
            gone -= unsure
        try:
            with broker.connect() as connection:
                make_topic(connection)
                for key, handle in handles.items():
                    if key.startswith("gone") and key not in gone and due[key] > mq.now_ms() + 5000:
                        recall(connection, handle)
                        gone.add(key)
                ahead = (("soon", 1500), ("next", 20000), ("last", 45000), ("gone", 50000))
                for kind, ahead_ms in ahead if turn < 2 else ahead[:1]:
                    key = "%s%d" % (kind, turn)
                    due[key] = mq.now_ms() + ahead_ms
                    handles[key] = send_timed(connection, key, due[key])
            wanted = {key for key in due if key.startswith("soon") or (key.startswith("next") and key != "next%d" % turn)}
            if turn == 2:
                wanted = set(due) - gone - unsure
            wait_until(lambda: wanted <= set(delivered(broker)), 110, "%s of turn %d" % (wanted, turn), 0.5)
            found = delivered(broker)
            assert not gone & set(found)
            assert all(min(times) >= due[key] for key, times in found.items())
            if end == signal.SIGTERM:
                newest_ms = max(max(times) for times in found.values())
                wait_until(lambda: read_ms(broker) > newest_ms, 120, "the check point", 0.2)
        finally:
            broker.stop(end)
    if end == signal.SIGTERM:
        assert all(len(times) == 1 for times in found.values()), found
