"""A directory that one broker left at SIGKILL in the middle of every kind of message, opened by the other: what was acknowledged
is there, and both say the same of it."""

import mini_client as mq
import pytest
from all_kinds import BULK, GROUP, ORDERED, PLAIN, POPPED, QUEUES, Load
from servers import Broker, wait_until
from until_dead import UntilDead

PULL, MAX_OFFSET, MIN_OFFSET, QUERY_KEY = 11, 30, 31, 12
HALF, RETRY = "RMQ_SYS_TRANS_HALF_TOPIC", "%RETRY%" + GROUP
# few of what waits is delivered or checked while the two are compared
QUIET = {"messageDelayLevel": "1h 1h 1h 1h 1h", "transactionCheckInterval": 3600000, "transactionTimeOut": 3600000,
         "timerWheelEnable": "true"}


class Sender(UntilDead):
    """Steps a load."""

    def __init__(self, broker, load):
        super().__init__(broker.connect())
        self.load = load

    def step(self):
        self.load.step(self.connection)
        self.count_one()


def load_and_kill(broker, load, is_first):
    with broker.connect() as connection:
        if is_first:
            load.prepare(connection)
        load.one_of_each(connection)
    Sender(broker, load).run_until(250, broker.kill)


def queue_of(connection, topic, queue):
    """(first, end, {queue offset: (body, phy_offset)})"""
    first = int(connection.call(MIN_OFFSET, {"topic": topic, "queueId": queue}).ext["offset"])
    end = int(connection.call(MAX_OFFSET, {"topic": topic, "queueId": queue}).ext["offset"])
    found, offset = {}, max(first, 0)
    while offset < end:
        answer = connection.call(PULL, mq.pull_fields("reader", topic, queue, offset))
        assert answer.code == 0, (topic, queue, offset, end, answer.code, answer.remark)
        for record in mq.decode_records(answer.body):
            found[record.queue_offset] = record.body, record.phy_offset
        offset = int(answer.ext["nextBeginOffset"])
    return first, end, found


def picture_of(broker, load):
    """Everything that both brokers can be asked for."""
    topics = [PLAIN, HALF, RETRY, "SCHEDULE_TOPIC_XXXX"]
    topics += [] if load.is_4x else [POPPED, ORDERED, BULK]
    picture = {}
    with broker.connect() as connection:
        for topic in topics:
            for queue in range(5 if topic.startswith("SCHEDULE") else QUEUES):
                picture[topic, queue] = queue_of(connection, topic, queue)
        for key, (topic, _, _) in sorted(load.keys.items())[::7]:
            answer = connection.call(QUERY_KEY, {"topic": topic, "key": key, "maxNum": 32, "beginTimestamp": 0,
                                                 "endTimestamp": mq.now_ms() + 60000})
            records = mq.decode_records(answer.body) if answer.code == 0 else []
            picture[key] = sorted({(record.phy_offset, record.body) for record in records})  # the reference's may be doubled
    return picture


def expect_acknowledged(picture, load):
    for (topic, queue, offset), body in load.acked.items():
        assert picture[topic, queue][2].get(offset, (None,))[0] == body, (topic, queue, offset)
    for key, place in load.keys.items():
        if key in picture:
            assert [body for _, body in picture[key]] == [load.acked[place]], key


def expect_dense(picture):
    for key, value in picture.items():
        if isinstance(key, tuple) and key[0] != BULK:
            first, end, found = value
            assert sorted(found) == list(range(first, end)), (key, first, end)


def expect_still_there(before, after):
    """Timers and popped messages may have come meanwhile, nothing else has changed."""
    for place, value in before.items():
        if isinstance(place, tuple):
            first, end, found = value
            assert after[place][0] == first and after[place][1] >= end, place
            assert {offset: after[place][2].get(offset) for offset in found} == found, place
        else:
            assert after[place] == value, place


@pytest.mark.parametrize("reference", ("rocketmq-5.3.3", "rocketmq-4.9.7"))
def test_killed_in_the_middle_of_everything(reference, name_server, tmp_path):
    """Goal: killed under load in turn, Ramjet and the reference: each time the other opens the directory, has every
    acknowledged message at its place and by its key, and both say the same of every queue and key.
    Method: the killed broker's directory is opened by the other, then by its own kind; batch queues with 5.3.3."""
    store = tmp_path / "store"
    load = Load(7, reference.removeprefix("rocketmq-"))
    turns = ("ramjet", reference)
    for turn, target in enumerate(turns):
        broker = Broker(target, tmp_path / target, [name_server], store=store, conf=QUIET)
        other = Broker(reference if target == "ramjet" else "ramjet", tmp_path / "other", [name_server], store=store, conf=QUIET)
        with broker:
            load_and_kill(broker, load, turn == 0)
        with other:
            expected = settled(other, load)
        with broker:
            expect_still_there(expected, settled(broker, load))


def settled(broker, load):
    """The picture once the reference has built queues and index behind the log."""
    def look():
        try:
            picture = picture_of(broker, load)
            expect_acknowledged(picture, load)
            expect_dense(picture)
            return picture
        except AssertionError:
            return None
    try:
        return wait_until(look, 120, "every acknowledged message", 0.5)
    except TimeoutError:
        picture = picture_of(broker, load)
        expect_acknowledged(picture, load)
        expect_dense(picture)
        return picture
