"""Queues popped in order go on after the death of the process where they were: nothing is left out, and only sets that
were acknowledged since the last save come again."""

import random
import sys
from pathlib import Path

import mini_client as mq
import pytest
from servers import wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from pops import ack, pop  # noqa: E402

TOPIC, GROUP = "order_crash", "order_crash_group"
QUEUES = 3
SEND, PUT_TOPIC = 310, 17


class Model:
    """A queue in order, as plainly as it can be said: how far it was acknowledged, and from where it may come again."""

    def __init__(self, broker):
        self.broker, self.connection = broker, None
        self.sent = [0] * QUEUES   # messages
        self.done = [0] * QUEUES   # all before were acknowledged
        self.known = [True] * QUEUES  # the broker has `done`: a kill may have taken acks, and the next pop tells
        self.saved = [0] * QUEUES  # the consumer offset is not before
        self.out = [[] for _ in range(QUEUES)]  # what the latest pop took

    def start(self):
        self.broker.start()
        self.connection = self.broker.connect(timeout=30)
        answer = self.connection.call(PUT_TOPIC, {
            "topic": TOPIC, "defaultTopic": "TBW102", "readQueueNums": QUEUES, "writeQueueNums": QUEUES, "perm": 6,
            "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": False})
        assert answer.code == 0, answer.remark

    def end(self, is_clean):
        self.connection.close()
        if is_clean:
            assert self.broker.stop() == 0
            self.saved = [done if known else saved
                          for done, known, saved in zip(self.done, self.known, self.saved)]
        else:
            self.broker.kill()
            self.known = [False] * QUEUES
            self.out = [[] for _ in range(QUEUES)]  # pops that the file may not know

    def send(self, queue):
        answer = self.connection.call(SEND, mq.send_fields(TOPIC, queue), b"%d %d" % (queue, self.sent[queue]))
        assert answer.code == 0 and int(answer.ext["queueOffset"]) == self.sent[queue]
        self.sent[queue] += 1

    def pop(self, queue, invisible_ms=300):
        found = pop(self.connection, GROUP, TOPIC, queue=queue, order=True, invisible_ms=invisible_ms, count=8,
                    broker_name=self.broker.name, timeout=30)
        if found:
            offsets = [popped.record.queue_offset for popped in found]
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
            assert self.saved[queue] <= offsets[0] <= self.done[queue], "left out, or again after it was saved"
            assert all(popped.body == b"%d %d" % (queue, popped.record.queue_offset) for popped in found)
            self.done[queue], self.known[queue] = offsets[0], True
            self.out[queue] = found
        return found

    def ack(self, queue, count):
        """The first of what is out, in order."""
        for popped in self.out[queue][:count]:
            assert ack(self.connection, GROUP, popped).code == 0
            if popped.record.queue_offset == self.done[queue]:
                self.done[queue] += 1
        self.out[queue] = self.out[queue][count:]

    def drain(self):
        def is_empty():
            for queue in range(QUEUES):
                if self.pop(queue, invisible_ms=60000):
                    self.ack(queue, 8)
            return self.done == self.sent
        wait_until(is_empty, 60, "the rest")


@pytest.mark.conf(flushConsumerOffsetInterval=200)
@pytest.mark.parametrize("seed", range(2))
def test_random_use_in_order_agrees_with_the_model(broker, seed):
    """Goal: over sends, ordered pops, acks, stops and kills every message of a queue comes, in its order; after a stop
    nothing that was acknowledged comes again, after a kill at most what was since the last one.
    Method: random operations beside a model; an ack in order is never for a set that another pop took meanwhile."""
    draw = random.Random(seed)
    model = Model(broker)
    for _ in range(5):
        model.start()
        for _ in range(150):
            queue = draw.randrange(QUEUES)
            draw.choice((lambda: model.send(queue), lambda: model.send(queue), lambda: model.pop(queue),
                         lambda: model.ack(queue, draw.randint(1, 8))))()
        model.end(is_clean=draw.random() < 0.4)
    model.start()
    model.drain()
