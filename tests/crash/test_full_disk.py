"""A disk that is really full: a small file system of its own, filled to the last block."""

import re

import mini_client as mq
import pytest
from disk import Disk
from servers import wait_until
from test_kill import MAX_OFFSET, PULL, SEND

TOPIC, MIN_OFFSET = "full", 31
FULL = 14  # SERVICE_NOT_AVAILABLE
GOES_ON_WITHIN_S = 45  # sooner than the cleaner's first look at a disk that has room


@pytest.fixture
def disk(tmp_path):
    with Disk(tmp_path / "disk", 64) as found:
        if not found.kind:
            pytest.skip("no file system can be mounted here")
        yield found


@pytest.fixture
def full_broker(disk, broker):
    """Its log rolls to a new file each MiB, and its store lies on that disk."""
    broker.store = disk.mount / "store"
    broker.conf.update(storePathRootDir=broker.store, storePathCommitLog=broker.store / "commitlog",
                       cleanResourceInterval=200, mappedFileSizeTimerLog=1 << 20)
    return broker


def test_a_disk_beyond_its_limit_is_told_as_that(full_broker, disk):
    """Goal: who is refused while there is room is told how full the disk is, and which setting says that it is too full."""
    broker = full_broker
    broker.conf.update(diskSpaceWarningLevelRatio=50, diskSpaceCleanForciblyRatio=45)
    (disk.mount / "others").write_bytes(bytes(36 << 20))
    broker.start()
    with broker.connect() as connection:
        answer = connection.call(SEND, mq.send_fields(TOPIC, 0), b"refused")
    assert answer.code == FULL
    assert re.fullmatch(r"service not available now: the broker's disk is \d\d % full, and sends are refused above 50 % "
                        r"\(diskSpaceWarningLevelRatio\)", answer.remark), answer.remark


class Sends:
    """Numbered messages; those acknowledged by place."""

    def __init__(self, broker):
        self.broker, self.acked, self.number = broker, {}, 0

    def send(self, connection):
        """Gives the code; one that is not 0 says that the disk is full."""
        self.number += 1
        body = b"%d:" % self.number + b"x" * 4000
        answer = connection.call(SEND, mq.send_fields(TOPIC, 0, {"KEYS": "k%d" % self.number}), body)
        assert answer.code in (0, FULL), (answer.code, answer.remark)
        if answer.code == 0:
            self.acked[int(answer.ext["queueOffset"])] = body
        else:
            assert "full" in answer.remark
        return answer.code

    def expect_all(self):
        """What retention left of what was acknowledged is there, and nothing else."""
        found = {}
        with self.broker.connect() as connection:
            at = int(connection.call(MIN_OFFSET, {"topic": TOPIC, "queueId": 0}).ext["offset"])
            end = int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": 0}).ext["offset"])
            begin = at
            while at < end:
                answer = connection.call(PULL, mq.pull_fields("full_group", TOPIC, 0, at))
                assert answer.code == 0, (at, end, answer.remark)
                for record in mq.decode_records(answer.body):
                    assert record.queue_offset == at
                    found[at] = record.body
                    at += 1
        assert found == {place: body for place, body in self.acked.items() if place >= begin}
        assert found


@pytest.mark.parametrize("flush", ("ASYNC_FLUSH", "SYNC_FLUSH"))
def test_a_full_disk_loses_nothing_and_sends_go_on_by_themselves(full_broker, disk, flush):
    """Goal: on a full disk sends are refused with a reason and reads go on; killed on it, the broker starts on it;
    with room again sends go on by themselves, soon.
    Method: the disk is filled up; sends until the log's next file cannot be made; SIGKILL, start, room."""
    broker, sends = full_broker, Sends(full_broker)
    broker.conf["flushDiskType"] = flush
    broker.start()
    with broker.connect() as connection:
        assert sends.send(connection) == 0
        disk.press()
        for _ in range(2000):
            if sends.send(connection) == FULL:
                break
        else:
            pytest.fail("8 MB went into a log of 1 MiB files on a full disk")
    assert len(sends.acked) > 10
    sends.expect_all()
    broker.kill()
    disk.press()
    broker.start()
    sends.expect_all()
    disk.release()
    with broker.connect() as connection:
        wait_until(lambda: sends.send(connection) == 0, GOES_ON_WITHIN_S, "sends to go on", pause_s=0.1)
        for _ in range(300):
            assert sends.send(connection) == 0
    sends.expect_all()
    assert broker.stop() == 0
    broker.start()
    sends.expect_all()
