"""Queues popped in order go on after the death of the process where they were: nothing is left out, and only messages that
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
SEND, PUT_TOPIC, QUERY_OFFSET = 310, 17, 14


class Model:
    """Queues in order, as plainly as it can be said: which messages were acknowledged, in what order ever."""

    def __init__(self, broker):
        self.broker, self.connection = broker, None
        self.sent = [0] * QUEUES  # messages
        self.acked = [set() for _ in range(QUEUES)]  # these do not come again
        self.maybe = [set() for _ in range(QUEUES)]  # acknowledged before a kill: these may
        self.out = [[] for _ in range(QUEUES)]  # what the latest pop took, and nobody acknowledged
        self.is_of_this_life = [True] * QUEUES  # that pop: no kill came since

    def start(self):
        self.broker.start()
        self.connection = self.broker.connect()
        answer = self.connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, QUEUES))
        assert answer.code == 0, answer.remark

    def end(self, is_clean):
        self.connection.close()
        if is_clean:
            assert self.broker.stop() == 0
            return
        self.broker.kill()
        for queue in range(QUEUES):
            self.maybe[queue] |= self.acked[queue]
            self.acked[queue], self.is_of_this_life[queue] = set(), False

    def send(self, queue):
        answer = self.connection.call(SEND, mq.send_fields(TOPIC, queue), b"%d %d" % (queue, self.sent[queue]))
        assert answer.code == 0 and int(answer.ext["queueOffset"]) == self.sent[queue]
        self.sent[queue] += 1

    def pop(self, queue, invisible_ms, count=8):
        found = pop(self.connection, GROUP, TOPIC, queue=queue, order=True, invisible_ms=invisible_ms,
                    count=count, broker_name=self.broker.name)
        if found:
            offsets = [popped.record.queue_offset for popped in found]
            passed = set(range(offsets[-1])) - set(offsets)
            assert offsets == sorted(set(offsets))
            assert passed <= self.acked[queue] | self.maybe[queue], "left out"
            assert not self.acked[queue] & set(offsets), "again after its ack"
            assert all(popped.body == b"%d %d" % (queue, popped.record.queue_offset) for popped in found)
            self.out[queue], self.is_of_this_life[queue] = found, True
        return found

    def ack(self, queue, popped):
        code = ack(self.connection, GROUP, popped).code
        if self.is_of_this_life[queue]:
            assert code == 0
            self.acked[queue].add(popped.record.queue_offset)
        elif code == 0:  # the broker may have forgotten the pop when it was killed: the message comes again
            self.maybe[queue].add(popped.record.queue_offset)
        self.out[queue].remove(popped)

    def ack_some(self, queue, draw):
        """Of what is out, mostly in order."""
        for _ in range(draw.randint(1, 8)):
            if self.out[queue]:
                in_order = draw.random() < 0.7
                self.ack(queue, self.out[queue][0] if in_order else draw.choice(self.out[queue]))

    def is_through(self, queue):
        answer = self.connection.call(QUERY_OFFSET, {"consumerGroup": GROUP, "topic": TOPIC, "queueId": queue})
        return answer.code == 0 and int(answer.ext["offset"]) == self.sent[queue]

    def drain(self):
        def is_empty():
            for queue in range(QUEUES):
                for popped in list(self.pop(queue, invisible_ms=60000)):
                    self.ack(queue, popped)
            return all(self.is_through(queue) for queue in range(QUEUES))
        wait_until(is_empty, 60, "the rest")
        for queue in range(QUEUES):
            assert self.acked[queue] | self.maybe[queue] == set(range(self.sent[queue]))


@pytest.mark.conf(flushConsumerOffsetInterval=200)
@pytest.mark.parametrize("seed", range(4))
def test_random_use_in_order_agrees_with_the_model(broker, seed):
    """Goal: over sends, ordered pops, acks, stops and kills every message of a queue comes, in its order; nothing that
    was acknowledged comes again, also out of order and over a stop; after a kill at most what was before it.
    Method: random operations beside a model; an ack is never for a set that another pop took meanwhile."""
    draw = random.Random(seed)
    model = Model(broker)
    for _ in range(6):
        model.start()
        for queue in range(QUEUES):
            if draw.random() < 0.5:  # acks may come before a pop
                model.ack_some(queue, draw)
        for _ in range(150):
            queue = draw.randrange(QUEUES)
            draw.choice((lambda: model.send(queue), lambda: model.send(queue), lambda: model.ack_some(queue, draw),
                         lambda: model.pop(queue, draw.choice((5, 300)), draw.randint(1, 8))))()
        model.end(is_clean=draw.random() < 0.4)
    model.start()
    model.drain()
