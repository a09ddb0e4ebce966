"""Batches in topics with batch queues (queue.type=BatchCQ) survive the death of the process whole."""

import random
import shutil

import mini_client as mq
import pytest
from until_dead import Pipeline, place_of

TOPIC = "bulk"
QUEUES = 2
PUT_TOPIC, SEND_BATCH, PULL, MAX_OFFSET, MIN_OFFSET = 17, 320, 11, 30, 31


class Sender(Pipeline):
    """Batches of 1 to 40 messages. `places` is what was acknowledged: (queue id, first queue offset) -> (body of the
    record, messages)."""

    code = SEND_BATCH

    def __init__(self, broker, seed):
        super().__init__(broker.connect(), seed)
        self.number = 0
        self.places = {}

    def ask(self):
        self.number += 1
        items = [(self.random.randbytes(self.random.choice((10, 400))), {}) for _ in range(self.random.randrange(1, 41))]
        body = mq.encode_batch(items)
        fields = mq.send_fields(TOPIC, self.number % QUEUES, {"UNIQ_KEY": "u%d" % self.number}, batch=True)
        return fields, body, (body, len(items))

    def acked(self, answer, batch):
        assert answer.ext["batchUniqId"] and place_of(answer) not in self.places
        self.places[place_of(answer)] = batch


def send_until_killed(broker, seed):
    sender = Sender(broker, seed)
    sender.run_until(150, broker.kill)
    return sender.places


def read_all(broker):
    """Every batch of every queue; fails when queue offsets are missing or stand twice."""
    found = {}
    with broker.connect() as connection:
        for queue in range(QUEUES):
            end = int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": queue}).ext["offset"])
            offset = 0
            while offset < end:
                answer = connection.call(PULL, mq.pull_fields("crash_group", TOPIC, queue, offset))
                assert answer.code == 0, (queue, offset, end, answer.remark)
                for record in mq.decode_records(answer.body):
                    count = int(record.properties["INNER_NUM"])
                    assert record.queue_offset == offset == int(record.properties["INNER_BASE"])
                    found[queue, offset] = record.body, count
                    offset += count
    return found


def make_topic(broker):
    with broker.connect() as connection:
        assert connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, QUEUES, attributes="+queue.type=BatchCQ")).code == 0


@pytest.mark.conf(mapperFileSizeBatchConsumeQueue=46 * 40)
@pytest.mark.parametrize("seed", range(2))
def test_kill_loses_no_acknowledged_batch(broker, seed):
    """Goal: SIGKILL in the middle of pipelined batches loses none that was acknowledged, no batch is torn, no queue
    offset is used twice; the same when the queues are lost as well.
    Method: three rounds on one store with small queue files; before the last start the queues are counted and removed."""
    broker.start()
    make_topic(broker)
    acked = {}
    for number in range(3):
        acked.update(send_until_killed(broker, seed * 100 + number))
        if number == 2:
            broker.start()  # counts their files: new ones that a kill left uncounted may go unnoticed
            broker.stop()
            shutil.rmtree(broker.store / "batchconsumequeue")
        broker.start()
        found = read_all(broker)
        lost = [place for place, batch in acked.items() if found.get(place) != batch]
        assert not lost, "%d of %d lost or changed, e.g. %s" % (len(lost), len(acked), lost[:3])
        acked.update(found)
