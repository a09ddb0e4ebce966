"""Compacted topics survive the death of the process: the newest message of each key, whatever the compactor was doing."""

import random
import threading

import mini_client as mq
import pytest
from servers import wait_until
from until_dead import Pipeline

TOPIC, KEYS = "kv", 20
PUT_TOPIC, SEND, PULL, MAX_OFFSET = 17, 310, 11, 30
CONF = {"compactionMappedFileSize": 92000, "compactionCqMappedFileSize": 9200, "compactionScheduleInternal": 300}


class Sender(Pipeline):
    """Messages of a few keys. `newest` has each key's newest acknowledged number, `sent` the newest sent."""

    def __init__(self, broker, first):
        super().__init__(broker.connect())
        self.number = first
        self.newest, self.sent = {}, {}

    def ask(self):
        self.number += 1
        key = "k%d" % (self.number % KEYS)
        self.sent[key] = self.number
        return mq.send_fields(TOPIC, 0, {"KEYS": key}), b"%d" % self.number, (key, self.number)

    def acked(self, answer, what):
        key, number = what
        self.newest[key] = number


def read_newest(broker):
    """Each key's newest number as a consumer that begins at 0 sees it; fails when offsets do not grow."""
    newest, last, offset = {}, -1, 0
    with broker.connect() as connection:  # a pull waits for the disk while the compactor syncs
        end = int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": 0}).ext["offset"])
        while offset < end:
            answer = connection.call(PULL, mq.pull_fields("crash_group", TOPIC, 0, offset))
            assert answer.code in (0, 20), answer.remark
            for record in mq.decode_records(answer.body) if answer.code == 0 else ():
                assert record.queue_offset > last
                last = record.queue_offset
                newest[record.properties["KEYS"]] = int(record.body)
            assert int(answer.ext["nextBeginOffset"]) > offset
            offset = int(answer.ext["nextBeginOffset"])
    return newest


def make_topic(broker):
    with broker.connect() as connection:
        assert connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, 1, attributes="+cleanup.policy=COMPACTION")).code == 0


def has_compacted(broker):
    return "compaction_done" in broker.log_path.read_text(errors="replace")


def kill_a_compactor(broker, chance):
    wait_until(lambda: has_compacted(broker), 60)
    threading.Event().wait(chance.random() * 0.2)  # anywhere in its work
    broker.kill()


@pytest.mark.conf(**CONF)
@pytest.mark.parametrize("seed", range(2))
def test_kill_keeps_the_newest_of_each_key(broker, seed):
    """Goal: SIGKILL while messages come, are copied and compacted loses no key's newest acknowledged message, and brings
    back none that it replaces.
    Method: three rounds on one store with files of two hundred messages that are compacted all the time."""
    chance = random.Random(seed)
    broker.start()
    make_topic(broker)
    acked, sent, number = {}, {}, 0
    for _ in range(3):
        sender = Sender(broker, number)
        sender.run_until(400, lambda: kill_a_compactor(broker, chance))
        acked.update(sender.newest)
        sent.update(sender.sent)
        number = sender.number
        broker.start()
        newest = read_newest(broker)
        wrong = {key: (newest.get(key), acked[key]) for key in acked if not acked[key] <= newest.get(key, -1) <= sent[key]}
        assert not wrong, wrong
