"""What a broker does beside its sends holds none of them up: here each piece of that work stands still, for as long as the
test lasts, and sends are answered, one after the other.

Ramjet's own: fault points say what stands still. How long a pass of the loop takes is no matter of these tests.
"""

import os
import socket

import pytest

import mini_client as mq
import servers
from conftest import heartbeat, make_topic, max_offset, pull, pull_all

HOUR_MS = 3600 * 1000
KIB = 1024
FILE_BYTES = 4 << 20
INDEX_ENTRIES = 500
CONF = {"mappedFileSizeCommitLog": FILE_BYTES, "maxHashSlotNum": 100, "maxIndexNum": INDEX_ENTRIES,
        "flushConsumerOffsetInterval": 100}
COMMIT, MAKE_GROUP, REMOVE_OLD_FILES = 15, 200, 329


class Still:
    """A broker, a connection to it and a topic that has been used."""

    def __init__(self, broker, connection, topic):
        self.broker, self.connection, self.topic = broker, connection, topic

    def send(self, size=100, count=1, topic=None, **properties):
        for _ in range(count):
            answer = self.connection.call(310, mq.send_fields(topic or self.topic, 0, properties), bytes(size))
            assert answer.code == 0, answer.remark

    def hold(self, point, cause):
        """The point stands still when it is met next; causes that until it was."""
        line = "fault_pauses point=" + point
        before = self.broker.log_path.read_text().count(line)

        def is_met():
            cause()
            return self.broker.log_path.read_text().count(line) > before

        self.broker.arm("pause", point, 0, 1, HOUR_MS)
        servers.wait_until(is_met, 120, line)

    def go_on(self):
        self.broker.arm("clear")

    def figure(self, key):
        return self.connection.call(28).json()["table"][key]

    def wait_for_figure(self, key, value):
        servers.wait_until(lambda: self.figure(key) == value, 120, "%s %s" % (key, value))


@pytest.fixture
def still(target, tmp_path, name):
    if target != "ramjet":
        pytest.skip("fault points are Ramjet's own")
    pair = servers.Pair(target, tmp_path, conf=CONF)
    pair.broker.take_faults()
    with pair, pair.broker.connect() as connection:
        used = Still(pair.broker, connection, make_topic(connection, name()))
        used.send()
        yield used
        used.go_on()


def test_the_sync_of_the_log(still):
    """Goal: a flush that does not end delays no send."""
    still.hold("disk.sync_range", still.send)
    still.send(count=300)
    assert still.figure("remainHowManyDataToFlush") != "0 B"
    still.go_on()
    still.wait_for_figure("remainHowManyDataToFlush", "0 B")


def test_the_writing_of_queue_entries(still, name):
    """Goal: a consume queue whose entries cannot be written takes new ones, and gives them to consumers."""
    still.hold("disk.write", still.send)
    before = max_offset(still.connection, still.topic)
    still.send(count=300)
    group = name("group")
    assert len(pull_all(still.connection, group, still.topic, offset=before, count=300)) == 300


def test_the_sync_of_queue_files(still):
    """Goal: the same for the sync of their files, which has its turn every ten seconds."""
    still.hold("disk.sync", still.send)
    still.send(count=300)


def test_the_making_of_the_next_file(still):
    """Goal: the log rolls over, again and again, while the file that is made ahead of it is not there."""
    still.hold("disk.map", lambda: still.send(4 * KIB, 50))
    still.send(4 * KIB, 2 * FILE_BYTES // (4 * KIB))
    assert int(still.figure("commitLogMaxOffset")) > 2 * FILE_BYTES


def test_the_removal_of_old_files(still):
    """Goal: retention that is stuck in a file delays no send, and goes on later.
    Method: the first file is made an old one; the others are new, and stay."""
    still.send(4 * KIB, FILE_BYTES // (4 * KIB))
    os.utime(still.broker.store / "commitlog" / ("%020d" % 0), (0, 0))
    still.hold("disk.remove", lambda: still.connection.call(REMOVE_OLD_FILES))
    still.send(4 * KIB, FILE_BYTES // (4 * KIB))
    still.go_on()
    servers.wait_until(lambda: still.connection.call(REMOVE_OLD_FILES).code == 0 and int(still.figure("commitLogMinOffset")) > 0, 120,
                       "the removal of the first file")


def test_the_index(still):
    """Goal: messages with keys are taken while the next index file is not there; they are found by their key later."""
    still.hold("disk.map", lambda: still.send(count=INDEX_ENTRIES // 4, KEYS="early"))
    still.send(count=300, KEYS="late")
    assert int(still.figure("dispatchBehindBytes")) > 0
    still.go_on()
    still.wait_for_figure("dispatchBehindBytes", "0")
    fields = {"topic": still.topic, "key": "late", "maxNum": 64, "beginTimestamp": 0, "endTimestamp": 2 ** 62}
    assert len(mq.decode_records(still.connection.call(12, fields).body)) == 64


def test_the_saving_of_a_table(still, name):
    """Goal: consumer offsets that cannot be saved delay no send, and are saved later."""
    group = name("group")
    assert still.connection.call(MAKE_GROUP, body={"groupName": group}).code == 0  # its own table is saved with the answer
    fields = {"consumerGroup": group, "topic": still.topic, "queueId": 0, "commitOffset": 1}
    still.hold("table.write", lambda: still.connection.call(COMMIT, fields))
    still.send(count=300)
    path = still.broker.store / "config/consumerOffset.json"
    assert not path.exists() or group not in path.read_text()
    still.go_on()
    servers.wait_until(lambda: path.exists() and "%s@%s" % (still.topic, group) in path.read_text(), 120, "the saved offset")


def test_the_timer_log(still, name):
    """Goal: timers that cannot be written down delay no send, and come later."""
    timed = make_topic(still.connection, name("timed"))
    still.hold("timer.write", lambda: still.send(topic=timed, TIMER_DELAY_MS="1000"))
    still.send(count=300)
    still.go_on()
    servers.wait_until(lambda: max_offset(still.connection, timed) > 0, 120, "the timer")


def test_a_read_of_old_messages(still, name):
    """Goal: a pull that waits for the disk delays neither sends nor pulls of what is in memory, and is answered later.
    Method: messages beyond the part of the log that stays mapped; the first one is said to be cold."""
    group = name("group")
    still.send(4 * KIB, 4 * FILE_BYTES // (4 * KIB))
    last = max_offset(still.connection, still.topic) - 1
    with still.broker.connect() as reader:
        still.broker.arm("fail", "pull.cold", 0, 1, "would_block")
        asked = []
        still.hold("disk.read", lambda: asked or asked.append(reader.send(11, mq.pull_fields(group, still.topic))))
        still.send(count=300)
        assert pull(still.connection, group, still.topic, last).code == 0
        still.go_on()
        assert reader.receive(asked[0]).code == 0


def test_a_name_server_that_never_answers(target, tmp_path, name):
    """Goal: registration waits for it, sends do not, nor does a new topic."""
    if target != "ramjet":
        pytest.skip("what the reference does meanwhile is its own affair")
    with socket.create_server(("127.0.0.1", 0)) as silent, servers.NameServer(target, tmp_path / "namesrv") as name_server:
        addresses = "%s;127.0.0.1:%d" % (name_server.address, silent.getsockname()[1])
        with servers.Broker(target, tmp_path / "broker-a", [name_server], conf={"namesrvAddr": addresses}) as broker, \
                broker.connect() as connection:
            silent.settimeout(60)
            waiting, _ = silent.accept()
            with waiting:
                assert waiting.recv(1)
                still = Still(broker, connection, make_topic(connection, name()))
                still.send(count=300)


def test_a_consumer_that_hears_nothing_while_its_group_changes(still, name):
    """Goal: members come and go, each change is told to one who never reads, and sends go on between them."""
    group = name("group")
    subscriptions = {group: [mq.subscription(still.topic)]}
    with still.broker.connect() as deaf, still.broker.connect() as other:
        heartbeat(deaf, "deaf", subscriptions)
        for n in range(100):
            heartbeat(other, "other@%d" % n, subscriptions)
            still.send()
            assert other.call(35, {"clientID": "other@%d" % n, "consumerGroup": group}).code == 0
            still.send()
