"""Messages that go to light queues (LMQ) survive the death of the process in every queue they stand in."""

import json
import os
import random
import shutil
import time

import mini_client as mq
import pytest
from servers import wait_until
from until_dead import Pipeline

TOPIC = "shared"
READER = "%LMQ%reader"
LIGHT = ["%%LMQ%%%d" % i for i in range(12)]
NAMES, PLACES = "INNER_MULTI_DISPATCH", "INNER_MULTI_QUEUE_OFFSET"
SEND, PULL, QUERY_OFFSET, UPDATE_OFFSET, MAX_OFFSET, DELETE_EXPIRED_LOG = 310, 11, 14, 15, 30, 329


class Sender(Pipeline):
    """Messages that go to up to six light queues. `names` is what was acknowledged: body -> the light queues it names."""

    def __init__(self, broker, seed):
        super().__init__(broker.connect(), seed)
        self.seed, self.number = seed, 0
        self.names = {}

    def ask(self):
        self.number += 1
        names = self.random.sample(LIGHT, self.random.randrange(1, 7))
        body = b"%d-%d " % (self.seed, self.number) + b"." * self.random.choice((10, 900))
        return mq.send_fields(TOPIC, self.number % 2, {NAMES: ",".join(names)}), body, (body, names)

    def acked(self, answer, what):
        body, names = what
        self.names[body] = names


def send_until_killed(broker, seed):
    sender = Sender(broker, seed)
    sender.run_until(300, broker.kill)
    return sender.names


def read_queue(connection, topic, queue_id=0):
    """Its records by place; fails when one is missing, stands elsewhere than it says, or twice."""
    end = int(connection.call(MAX_OFFSET, {"topic": topic, "queueId": queue_id}).ext["offset"])
    records = []
    while len(records) < end:
        answer = connection.call(PULL, mq.pull_fields("crash_group", topic, queue_id, len(records)))
        assert answer.code == 0, (topic, len(records), end, answer.remark)
        records += mq.decode_records(answer.body)
    for place, record in enumerate(records):
        places = dict(zip(record.properties[NAMES].split(","), map(int, record.properties[PLACES].split(","))))
        assert (record.queue_offset if topic == TOPIC else places[topic]) == place
    bodies = [record.body for record in records]
    assert len(set(bodies)) == len(bodies)
    return bodies


@pytest.mark.conf(enableLmq="true", enableMultiDispatch="true")
@pytest.mark.parametrize("seed", range(2))
def test_kill_loses_no_place_in_a_light_queue(broker, seed):
    """Goal: SIGKILL in the middle of pipelined sends loses none that was acknowledged, in none of its queues, and no
    place is used twice; the same when the queues are lost as well.
    Method: three rounds on one store; before the last start the queues are counted and removed."""
    broker.start()
    acked = {}
    for number in range(3):
        acked.update(send_until_killed(broker, seed * 100 + number))
        if number == 2:
            broker.start()  # counts their files: new ones that a kill left uncounted may go unnoticed
            broker.stop()
            shutil.rmtree(broker.store / "consumequeue")
        broker.start()
        with broker.connect() as connection:
            light = {name: set(read_queue(connection, name)) for name in LIGHT}
            own = set(read_queue(connection, TOPIC, 0)) | set(read_queue(connection, TOPIC, 1))
        lost = [body for body, names in acked.items()
                if body not in own or any(body not in light[name] for name in names)]
        assert not lost, "%d of %d lost, e.g. %s" % (len(lost), len(acked), lost[:3])


def plant_offset(broker, queue_offset):
    """What a kill leaves when a light queue went and its consumer's offset was not forgotten on the disk."""
    table = {"dataVersion": {"counter": 1, "stateVersion": 0, "timestamp": 1}, "offsetTable": {},
             "lmqOffsetTable": {"%s@%s" % (LIGHT[0], READER): queue_offset}}
    (broker.store / "config").mkdir(parents=True, exist_ok=True)
    for old in (broker.store / "config").glob("lmqConsumerOffset.json*"):
        old.unlink()
    (broker.store / "config" / "lmqConsumerOffset.json").write_text(json.dumps(table))


def is_saved(broker, queue_offset):
    """The reader's offset in the file."""
    table = mq.parse_json((broker.store / "config" / "lmqConsumerOffset.json").read_bytes())
    return table["lmqOffsetTable"].get("%s@%s" % (LIGHT[0], READER)) == queue_offset


def offset_of_reader(connection):
    answer = connection.call(QUERY_OFFSET, {"consumerGroup": READER, "topic": LIGHT[0], "queueId": 0})
    return int(answer.ext["offset"]) if answer.code == 0 else None


def send_to_light(connection, count):
    for _ in range(count):
        assert connection.call(SEND, mq.send_fields(TOPIC, 0, {NAMES: LIGHT[0]}), b"x").code == 0


def commit(connection, queue_offset):
    fields = {"consumerGroup": READER, "topic": LIGHT[0], "queueId": 0, "commitOffset": queue_offset}
    assert connection.call(UPDATE_OFFSET, fields).code == 0


@pytest.mark.conf(enableLmq="true", enableMultiDispatch="true", flushConsumerOffsetInterval=600000)
def test_an_offset_of_an_earlier_light_queue_is_not_believed(broker):
    """Goal: an offset that outlived its light queue in a crash passes over nothing of the next one, however soon that
    is longer, and the file is without it before the next one begins: another kill brings nothing back.
    Method: such an offset in the file, and so many messages that it lies within the queue."""
    plant_offset(broker, 57)
    broker.start()
    assert is_saved(broker, None)
    with broker.connect() as connection:
        assert offset_of_reader(connection) == 0
        send_to_light(connection, 100)
        assert offset_of_reader(connection) == 0
    broker.kill()
    broker.start()
    with broker.connect() as connection:
        assert offset_of_reader(connection) == 0


@pytest.mark.conf(enableLmq="true", enableMultiDispatch="true", flushConsumerOffsetInterval=600000)
def test_an_offset_beyond_a_light_queue_found_at_start_is_not_believed(broker):
    """Goal: the same when a kill left the offset beside the first message of the next light queue.
    Method: without its checkpoint the start reads all of the log."""
    broker.start()
    with broker.connect() as connection:
        send_to_light(connection, 1)
    broker.kill()
    (broker.store / "checkpoint").unlink()
    plant_offset(broker, 57)
    broker.start()
    assert is_saved(broker, 0)
    with broker.connect() as connection:
        send_to_light(connection, 100)
        assert offset_of_reader(connection) == 0


@pytest.mark.conf(enableLmq="true", enableMultiDispatch="true", flushConsumerOffsetInterval=600000, fileReservedTime=1)
def test_a_light_queue_that_expires_takes_its_offsets_along(broker):
    """Goal: a light queue that comes back after its messages expired is read from its first message on, also when it
    is soon longer than before, and after a kill.
    Method: 57 messages are read, their file grows old and is deleted; then come 100."""
    broker.start()
    with broker.connect() as connection:
        send_to_light(connection, 57)
        commit(connection, 57)
        for _ in range(20):
            assert connection.call(SEND, mq.send_fields("filler", 0), b"x" * 100000).code == 0
        old = min((broker.store / "commitlog").iterdir())
        os.utime(old, (time.time() - 7200,) * 2)

        def is_gone():
            assert connection.call(DELETE_EXPIRED_LOG).code == 0
            return connection.call(MAX_OFFSET, {"topic": LIGHT[0], "queueId": 0}).ext["offset"] == "0"
        wait_until(is_gone, 60, "the light queue gone", pause_s=0.2)
        assert not old.exists()
        send_to_light(connection, 100)
        assert offset_of_reader(connection) == 0
        wait_until(lambda: is_saved(broker, None), what="the file without it")
    broker.kill()
    broker.start()
    with broker.connect() as connection:
        assert offset_of_reader(connection) == 0


@pytest.mark.conf(enableLmq="true", enableMultiDispatch="true")
def test_a_commit_beyond_a_light_queue_does_not_count(broker):
    """Goal: who commits what it read of an earlier light queue of the name does not skip messages of this one."""
    broker.start()
    with broker.connect() as connection:
        send_to_light(connection, 3)
        for queue_offset, expected in ((2, 2), (57, 2), (3, 3)):
            commit(connection, queue_offset)
            assert offset_of_reader(connection) == expected
