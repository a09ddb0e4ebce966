"""The process is killed at random moments, very often, at its start too: short lives of one small store.

CRASH_LIVES: how many lives per flush mode (default 30). Each ends with SIGKILL; what it had acknowledged is
looked for in the next one, whatever lies in the store every now and then, before a new one is begun.
"""

import os
import random
import shutil
import threading
import time
import zlib

import mini_client as mq
import pytest

LIVES = int(os.environ.get("CRASH_LIVES", "30"))
LIVES_OF_A_STORE = 100
TOPIC, QUEUES = "kills", 4
SEND, SEND_BATCH, PULL, MAX_OFFSET = 310, 320, 11, 30
UNDER_WAY, BATCH = 16, 5
OPENS_WITHIN_S = 60


class Account:
    """What is known of a store: place -> CRC of the body, acknowledged or read; how far it was read."""

    def __init__(self):
        self.acked = {}
        self.read_to = [0] * QUEUES
        self.number = 0

    def acknowledge(self, place, crc):
        assert self.acked.setdefault(place, crc) == crc, "%s was another message's place" % (place,)

    def read(self, connection, from_start):
        """Reads what is new, or everything. Places are dense; what was acknowledged is there and as it was."""
        for queue in range(QUEUES):
            end = int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": queue}).ext["offset"])
            place = 0 if from_start else self.read_to[queue]
            assert end >= self.read_to[queue], "queue %d ended at %d, now at %d" % (queue, self.read_to[queue], end)
            while place < end:
                answer = connection.call(PULL, mq.pull_fields("kills_group", TOPIC, queue, place))
                assert answer.code == 0, (queue, place, end, answer.code, answer.remark)
                for record in mq.decode_records(answer.body):
                    assert record.queue_offset == place
                    self.acknowledge((queue, place), zlib.crc32(record.body))
                    place += 1
            self.read_to[queue] = end
        lost = [place for place in self.acked if place[1] >= self.read_to[place[0]]]
        assert not lost, "%d acknowledged messages lost, e.g. %s" % (len(lost), lost[:3])


def connect(broker):
    """As soon as it listens; None when it was killed before."""
    deadline = time.monotonic() + OPENS_WITHIN_S
    while True:
        try:
            return broker.connect()
        except OSError:
            if broker.process.poll() is not None:
                return None
            assert time.monotonic() < deadline, broker.log_tail()
            time.sleep(0.002)


def message(account, draw):
    account.number += 1
    return b"%d:" % account.number + draw.randbytes(draw.choice((10, 10, 300, 2000)))


def send_one(connection, account, draw):
    """Sends a message or a batch; gives what its answer acknowledges."""
    queue = draw.randrange(QUEUES)
    if draw.random() < 0.1:
        bodies = [message(account, draw) for _ in range(BATCH)]
        body = mq.encode_batch([(body, {"KEYS": "k"}) for body in bodies])
        return connection.send(SEND_BATCH, mq.send_fields(TOPIC, queue, batch=True), body), bodies
    body = message(account, draw)
    return connection.send(SEND, mq.send_fields(TOPIC, queue, {"KEYS": "k%d" % account.number}), body), [body]


def send_until_dead(connection, account, draw, kill_after):
    """Pipelined sends; the moment of the kill is a number of answers. Gives how many came."""
    waiting, answers = [], 0
    while True:
        while len(waiting) < UNDER_WAY:
            waiting.append(send_one(connection, account, draw))
        opaque, bodies = waiting.pop(0)
        answer = connection.receive(opaque)
        assert answer.code == 0, answer.remark
        queue, place = int(answer.ext["queueId"]), int(answer.ext["queueOffset"])
        for i, body in enumerate(bodies):
            account.acknowledge((queue, place + i), zlib.crc32(body))
        answers += 1
        kill_after(answers)


def live(broker, account, draw, from_start):
    """One life, from its start to SIGKILL: a moment after the start, or behind some number of answers and a moment."""
    broker.spawn()
    process = broker.process
    dies_young = draw.random() < 0.15
    if dies_young:
        threading.Timer(draw.uniform(0, 0.3), process.kill).start()
    last_answer, pause_s = draw.randrange(1, 150), draw.choice((0, 0, draw.uniform(0, 0.02)))

    def kill_after(answers):
        if answers == last_answer:
            threading.Timer(pause_s, process.kill).start()

    connection = connect(broker)
    try:
        if connection:
            with connection:
                account.read(connection, from_start)
                send_until_dead(connection, account, draw, kill_after)
    except (mq.Closed, OSError):
        pass
    assert process.wait(60) == -9, broker.log_tail()


@pytest.mark.parametrize("flush", ("ASYNC_FLUSH", "SYNC_FLUSH"))
def test_many_short_lives_lose_nothing_that_was_acknowledged(broker, flush):
    """Goal: however often and whenever the process is killed, nothing acknowledged is lost, and no place of a
    queue is given twice. Method: see above; the first life of a store is let be until it has answered."""
    draw = random.Random()
    broker.conf["flushDiskType"] = flush
    acknowledged = 0
    for number in range(LIVES):
        if number % LIVES_OF_A_STORE == 0:
            shutil.rmtree(broker.store, ignore_errors=True)
            account = Account()
            broker.start()
            broker.kill()
        live(broker, account, draw, from_start=number % 10 == 0)
        if number % LIVES_OF_A_STORE == LIVES_OF_A_STORE - 1 or number == LIVES - 1:
            broker.start()
            with broker.connect() as connection:
                account.read(connection, from_start=True)
            broker.kill()
            acknowledged += len(account.acked)
            print("%s: %d lives, %d messages acknowledged or read" % (flush, number + 1, acknowledged), flush=True)
