"""A broker in a control group of 64 MiB: it starts, and does all it does.

SMALL_MEMORY_MIB says how much goes through it (default 160); 1024 takes a minute or so.
"""

import os
import subprocess

import pytest

import control_group
import mini_client as mq
import pops
import servers
from conftest import make_topic, max_offset, pull, pull_all, send

MIB = 1 << 20
LIMIT_BYTES = 64 * MIB
BODY_BYTES = 4096
THROUGH_MIB = int(os.environ.get("SMALL_MEMORY_MIB", "160"))


@pytest.fixture(scope="module")
def small(target, tmp_path_factory):
    """(broker, its group), the broker alone with the reference's own file sizes."""
    if target != "ramjet":
        pytest.skip("Ramjet's own")
    if servers.sanitizer():
        pytest.skip("a sanitizer's own memory does not fit into 64 MiB")
    why = control_group.unavailable()
    if why:
        pytest.skip(why)
    with control_group.ControlGroup("ramjet-small", LIMIT_BYTES) as group:
        conf = {"mappedFileSizeCommitLog": 1 << 30, "maxHashSlotNum": 5000000, "maxIndexNum": 20000000}
        pair = servers.Pair(target, tmp_path_factory.mktemp("small"), conf=conf)
        pair.broker.group = group
        with pair:
            yield pair.broker, group
        assert group.kills() == 0


@pytest.fixture
def connection(small):
    with small[0].connect(timeout=60) as opened:
        yield opened


def bench(broker, topic, count):
    done = subprocess.run([servers.ramjet_binary(), "bench", "send", "--broker", broker.address, "--topic", topic,
                           "--size", str(BODY_BYTES), "--messages", str(count), "--rounds", "1", "--seconds", "500",
                           "--timeout-ms", "60000", "--connections", "2", "--outstanding", "16", "--queues", "4"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout


def read_whole_queue(connection, group, topic, queue_id):
    """How many messages a consumer finds that begins at the start."""
    offset = count = 0
    while offset < max_offset(connection, topic, queue_id):
        answer = pull(connection, group, topic, offset, queue_id=queue_id)
        assert answer.code == 0, answer.remark
        count += len(mq.decode_records(answer.body))
        offset = int(answer.ext["nextBeginOffset"])
    return count


def test_it_knows_its_limit(small):
    """Goal: what the broker sizes itself by is the group's limit, not the machine's memory."""
    servers.wait_until(lambda: "memory_mib=64" in small[0].log_path.read_text(), what="a line in the log")


def test_much_more_than_its_memory_goes_through(small, connection, name):
    """Goal: many times its memory is sent and read from the start again, and nothing is lost or killed."""
    broker, group = small
    topic, sent = make_topic(connection, name()), THROUGH_MIB * MIB // BODY_BYTES
    bench(broker, topic, sent)
    stored = sum(max_offset(connection, topic, q) for q in range(4))
    assert stored == sent
    assert read_whole_queue(connection, name("group"), topic, 0) == max_offset(connection, topic, 0)
    assert group.kills() == 0 and broker.is_alive()
    assert group.peak_bytes() is None or group.peak_bytes() <= LIMIT_BYTES


def test_timers_pops_and_keys_work_in_it(small, connection, name):
    """Goal: a timer comes, a pop finds, an ack counts, and a key is found, in the same 64 MiB."""
    topic, group = make_topic(connection, name()), name("group")
    assert connection.call(310, mq.send_fields(topic, 0, {"TIMER_DELAY_MS": "500"}), b"later").code == 0
    assert pull_all(connection, group, topic)[0].body == b"later"
    send(connection, topic, b"kept", properties={"KEYS": "small"})
    popped = pops.pop(connection, name("pops"), topic, poll_ms=15000, timeout=60)
    assert popped
    assert pops.ack(connection, name("pops"), popped[0]).code == 0
    fields = {"topic": topic, "key": "small", "maxNum": 32, "beginTimestamp": 0, "endTimestamp": 2 ** 62}
    found = servers.wait_until(lambda: a if (a := connection.call(12, fields)).code == 0 else None, 60, "the key")
    assert [r.body for r in mq.decode_records(found.body)] == [b"kept"]


def test_it_starts_again_in_it(small, name):
    """Goal: after SIGKILL it recovers what went through, in its 64 MiB."""
    broker, group = small
    with broker.connect(timeout=60) as connection:
        topic = make_topic(connection, name())
        send(connection, topic, b"before")
    broker.kill()
    broker.start()
    with broker.connect(timeout=60) as connection:
        assert pull_all(connection, name("group"), topic)[0].body == b"before"
    assert group.kills() == 0
