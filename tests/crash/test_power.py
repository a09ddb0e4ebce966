"""The power goes while the real binary runs: what was not synced is gone.

The store is on a file system of its own that is shut down (disk.py): from then on nothing that is written or
synced reaches the disk; then it is mounted again, as after a power cut. With SYNC_FLUSH all promises that hold
over a kill hold over that, so tests of kills run here again with a broker whose kill takes the power too.

CRASH_POWER_CUTS: how many in the middle of sends (default 6).
"""

import os
import random

import mini_client as mq
import pytest
from disk import LOOP, Disk
from servers import Broker, wait_until
from test_kill import (MAX_OFFSET, PULL, QUEUES, SEND, TOPIC, Sender, expect_all,
                       read_all, test_kill_loses_nothing_that_was_acknowledged)
from test_pop_kill import model, test_a_kill_does_not_pop_again, test_acked_messages_stay_away

__all__ = ["model", "test_a_kill_does_not_pop_again", "test_acked_messages_stay_away",
           "test_kill_loses_nothing_that_was_acknowledged"]
CUTS = int(os.environ.get("CRASH_POWER_CUTS", "6"))
PUT_TOPIC, UPDATE_OFFSET, QUERY_OFFSET = 17, 15, 14


class BrokerWithoutPower(Broker):
    """A broker that is never killed without losing the power as well: the machine is booted again."""

    def __init__(self, disk, *arguments, **how):
        super().__init__(*arguments, store=disk.mount / "store", **how)
        self.disk, self.boots = disk, 0
        self.take_faults()
        self.boot()

    def kill(self):
        super().kill()
        self.disk.lose_power()
        self.boot()

    def lose_power(self):
        """In the midst of its work."""
        self.disk.lose_power()
        super().kill()
        self.boot()

    def boot(self):
        if self.boots > 0:
            self.disk.restore()
        self.boots += 1
        self.first_fault = "value disk.boot_id %d" % self.boots


@pytest.fixture
def disk(tmp_path):
    with Disk(tmp_path / "disk", 64) as found:
        if found.kind != LOOP:
            pytest.skip("no loop device can be mounted here")
        yield found


@pytest.fixture
def broker(disk, name_server, tmp_path, request):
    """As the other crash tests' broker, on a disk without power when it is killed."""
    marker = request.node.get_closest_marker("conf")
    conf = {"mappedFileSizeCommitLog": 1 << 20, "mappedFileSizeConsumeQueue": 20000, "flushDiskType": "SYNC_FLUSH",
            "mappedFileSizeTimerLog": 1 << 20}
    conf.update(marker.kwargs if marker else {})
    server = BrokerWithoutPower(disk, "ramjet", tmp_path / "broker", [name_server], name=request.node.name[:60],
                                conf=conf)
    yield server
    server.stop()


def make_topic(broker):
    with broker.connect() as connection:
        answer = connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, QUEUES))
        assert answer.code == 0, answer.remark


def send_over_a_cut(broker, seed):
    """Sends until the power goes. Gives what was acknowledged by then: a sync that is under way while the file
    system is shut down may end well and have done nothing (of unwritten extents), and whoever is answered after
    a power cut is not of this world."""
    draw = random.Random(seed)
    sender = Sender(broker, seed, may_be_refused=True)
    acked = {}

    def cut():
        acked.update(sender.places)
        broker.lose_power()

    sender.run_until(draw.randrange(1, 400), cut)
    return acked


def test_power_cuts_lose_nothing_that_was_acknowledged(broker):
    """Goal: with SYNC_FLUSH, whatever was acknowledged before the power went is there after it.
    Method: cut after cut on one store in the middle of pipelined sends; each time everything is read back."""
    broker.start()
    make_topic(broker)
    acked = {}
    for _ in range(CUTS):
        acked.update(send_over_a_cut(broker, random.randrange(1 << 30)))
        broker.start()
        acked = dict(expect_all(broker, acked))


@pytest.mark.conf(flushDiskType="ASYNC_FLUSH", flushIntervalCommitLog=100)
def test_power_cuts_take_the_end_only(broker):
    """Goal: with ASYNC_FLUSH a power cut may take what came last, and nothing before something that is left.
    Method: the same; what is left of each queue begins with what was there before the cut, as it was."""
    broker.start()
    make_topic(broker)
    before = {}
    for _ in range(CUTS):
        acked = send_over_a_cut(broker, random.randrange(1 << 30))
        broker.start()
        found = read_all(broker)  # finds queues without gaps
        changed = [place for place, body in {**before, **acked}.items() if found.get(place, body) != body]
        assert not changed, changed[:3]
        lost = [place for place in before if place not in found]
        assert not lost, "what outlived a cut and its recovery is on the disk: %s" % lost[:3]
        before = found


@pytest.mark.conf(flushDiskType="ASYNC_FLUSH", flushConsumerOffsetInterval=100, flushIntervalCommitLog=600000)
def test_no_saved_consumer_offset_is_ahead_of_the_log(broker):
    """Goal: what a table says of consumer offsets outlives a power cut only with the messages it stands for: the
    next messages would take their places and never be delivered.
    Method: flushes of the log are rare; the power goes as soon as the offset is in the file and that on the disk."""
    broker.start()
    make_topic(broker)
    table = broker.store / "config" / "consumerOffset.json"
    end = 0
    for _ in range(CUTS):
        with broker.connect() as connection:
            for number in range(20):
                assert connection.call(SEND, mq.send_fields(TOPIC, 0), b"%d" % number).code == 0
            end += 20
            connection.call(PULL, mq.pull_fields("g", TOPIC, 0, 0))  # makes the group
            connection.oneway(UPDATE_OFFSET, {"consumerGroup": "g", "topic": TOPIC, "queueId": 0,
                                              "commitOffset": end})
            wait_until(lambda: saved_offset(table) == end and is_on_disk(table), 60)
        broker.kill()
        broker.start()
        with broker.connect() as connection:
            assert int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": 0}).ext["offset"]) >= end
            answer = connection.call(QUERY_OFFSET, {"consumerGroup": "g", "topic": TOPIC, "queueId": 0})
            assert int(answer.ext["offset"]) == end


def saved_offset(table):
    return mq.parse_json(table.read_bytes())["offsetTable"].get(TOPIC + "@g", {}).get(0) if table.exists() else None


def is_on_disk(table):
    """Its checksum is written once the table's name is synced."""
    checksum = table.with_name(table.name + ".sum")
    return checksum.exists() and checksum.stat().st_mtime_ns >= table.stat().st_mtime_ns
