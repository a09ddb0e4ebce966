"""What was acknowledged survives the death of the process, whenever it comes."""

import random
import shutil
import time

import mini_client as mq
import pytest
from servers import Broker
from until_dead import Pipeline, place_of

TOPIC = "crash"
QUEUES = 4
SEND, PULL, MAX_OFFSET = 310, 11, 30


class Sender(Pipeline):
    """`places` is what was acknowledged: (queue id, queue offset) -> body."""

    under_way = 32

    def __init__(self, broker, seed, may_be_refused=False):
        super().__init__(broker.connect(), seed)
        self.may_be_refused = may_be_refused
        self.number = 0
        self.places = {}

    def ask(self):
        self.number += 1
        body = b"%d:" % self.number + self.random.randbytes(self.random.choice((10, 700, 9000)))
        return mq.send_fields(TOPIC, self.number % QUEUES, {"KEYS": "k%d" % self.number}), body, body

    def acked(self, answer, body):
        assert place_of(answer) not in self.places
        self.places[place_of(answer)] = body


def send_until(broker, seed, end):
    """Runs a sender, calls `end` when at least 200 messages were acknowledged, and gives the acknowledged."""
    sender = Sender(broker, seed)
    sender.run_until(200 + random.Random(seed).randrange(400), end)
    return sender.places


def read_all(broker):
    """Every message of every queue; fails when a queue offset is missing or stands twice."""
    found = {}
    with broker.connect() as connection:
        for queue in range(QUEUES):
            end = int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": queue}).ext["offset"])
            offset = 0
            while offset < end:
                answer = connection.call(PULL, mq.pull_fields("crash_group", TOPIC, queue, offset))
                assert answer.code == 0, (queue, offset, end, answer.remark)
                for record in mq.decode_records(answer.body):
                    assert (record.topic, record.queue_id) == (TOPIC, queue)
                    assert record.queue_offset == offset
                    found[queue, offset] = record.body
                    offset += 1
    return found


def expect_all(broker, acked):
    found = read_all(broker)
    missing = [place for place, body in acked.items() if found.get(place) != body]
    assert not missing, "%d of %d acknowledged messages lost or changed, e.g. %s" % (
        len(missing), len(acked), missing[:3])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_kill_loses_nothing_that_was_acknowledged(broker, seed):
    """Goal: SIGKILL in the middle of pipelined sends loses no acknowledged message, repeats no queue offset.
    Method: four rounds of sending and killing on one store; after each, everything is read back."""
    acked = {}
    for round_number in range(4):
        broker.start()
        acked.update(send_until(broker, seed * 100 + round_number, broker.kill))
        broker.start()
        found = expect_all(broker, acked)
        acked.update(found)  # what was stored without an answer stays as well
        broker.kill()


def test_sigterm_ends_cleanly_within_seconds(broker):
    """Goal: SIGTERM under load: exit code 0, no abort mark, nothing acknowledged is lost, no recovery scan
    at the next start."""
    broker.start()
    ends = []

    def stop():
        started = time.monotonic()
        ends.append((broker.stop(), time.monotonic() - started))

    acked = send_until(broker, 7, stop)
    (code, took_s), = ends
    assert code == 0 and took_s < 30
    assert not (broker.store / "abort").exists()
    broker.start()
    expect_all(broker, acked)
    assert "recovered_records=0" in broker.log_tail().split("store_opened")[-1]


@pytest.mark.conf(flushDiskType="SYNC_FLUSH")
def test_sync_flush_survives_kill(broker):
    """Goal: the same promise with replies that waited for the disk."""
    broker.start()
    acked = send_until(broker, 11, broker.kill)
    broker.start()
    expect_all(broker, acked)


def newest_log_file(broker):
    """The last one that holds a record: the next file may have been made ahead."""
    files = [path for path in (broker.store / "commitlog").iterdir() if any(path.read_bytes()[:8])]
    return max(files)


def test_torn_tail_ends_the_log_there(broker):
    """Goal: when the last record is torn, it is gone and all before it are kept; its queue offset is used
    again by the next message.
    Method: kill, overwrite the last bytes that are not zero, start."""
    broker.start()
    acked = send_until(broker, 13, broker.kill)
    broker.start()
    before = expect_all(broker, acked)
    broker.kill()
    # the body of the last record; its properties alone are not covered by a checksum
    path = newest_log_file(broker)
    data = path.read_bytes().rstrip(b"\0")
    record_start = max(data.rfind(b"\xda\xa3\x20\xa7") - 4, 0)
    with open(path, "r+b") as log:
        log.seek(record_start + 92)
        log.write(b"torn")
    (broker.store / "checkpoint").unlink()  # so that the whole file is looked at again
    broker.start()
    after = read_all(broker)
    assert len(after) == len(before) - 1
    assert all(before[place] == body for place, body in after.items())
    with broker.connect() as connection:
        lost = (set(before) - set(after)).pop()
        answer = connection.call(SEND, mq.send_fields(TOPIC, lost[0]), b"again")
        assert int(answer.ext["queueOffset"]) == lost[1]


def test_consume_queues_are_rebuilt_from_the_log(broker):
    """Goal: queues, index and checkpoint are derived: with all of them gone nothing is missing."""
    broker.start()
    acked = send_until(broker, 17, broker.kill)

    shutil.rmtree(broker.store / "consumequeue")
    shutil.rmtree(broker.store / "index", ignore_errors=True)
    (broker.store / "checkpoint").unlink(missing_ok=True)
    broker.start()
    expect_all(broker, acked)


def test_a_second_process_does_not_open_the_store(broker, name_server, tmp_path):
    """Goal: while one broker has the directory open, another refuses it with a reason."""

    broker.start()
    second = Broker("ramjet", tmp_path / "second", [name_server], name="second", store=broker.store)
    with pytest.raises(RuntimeError, match="store_locked"):
        second.start()
    with broker.connect() as connection:
        assert connection.call(SEND, mq.send_fields(TOPIC, 0), b"still here").code == 0


def test_a_topic_is_there_with_its_first_message(broker):
    """Goal: a topic that came to be by itself outlives the process as soon as its first message is
    acknowledged. Method: one send to a new topic, killed on its answer, ten times."""
    for number in range(10):
        topic = "new_%d" % number
        broker.start()
        with broker.connect() as connection:
            answer = connection.call(SEND, mq.send_fields(topic, 0), b"first")
            broker.kill()
        assert answer.code == 0, answer.remark
        broker.start()
        with broker.connect() as connection:
            answer = connection.call(PULL, mq.pull_fields("crash_group", topic, 0, 0))
            assert answer.code == 0, answer.remark
            assert [record.body for record in mq.decode_records(answer.body)] == [b"first"]
        broker.kill()
