"""Evidence: where the time of a request went (GET_SLOW_REQUESTS, 90001, a request of Ramjet's own).

Fault points make a stage slow; how slow is known from below.
"""

import subprocess

import pytest

import mini_client as mq
import servers
from conftest import make_topic, send
from test_stats import stats

STAGES = ["wait", "decode", "handle", "lock", "append", "rest", "reply", "flush", "total"]
PAUSE_MS = 30


@pytest.fixture(scope="module")
def slow_pair(target, tmp_path_factory):
    if target != "ramjet":
        pytest.skip("a request of Ramjet's own")
    both = servers.Pair(target, tmp_path_factory.mktemp("evidence"), conf={"flushDiskType": "SYNC_FLUSH"})
    both.broker.take_faults()
    with both:
        yield both


@pytest.fixture
def slow_broker(slow_pair):
    yield slow_pair.broker
    slow_pair.broker.arm("clear")


@pytest.fixture
def connection(slow_broker):
    with slow_broker.connect() as opened:
        yield opened


@pytest.fixture
def slow_topic(connection, name):
    """A topic whose first answer, which waits for the table of topics, is past."""
    topic = make_topic(connection, name("topic"))
    send(connection, topic)
    return topic


def evidence(connection):
    answer = connection.call(90001)
    assert answer.code == 0
    return answer.json()


def set_threshold(connection, micros):
    assert connection.call(25, body=b"slowRequestThresholdMicros=%d\n" % micros).code == 0


def send_unsynced(connection, topic):
    """A send that is answered in the pass that stores it."""
    send(connection, topic, properties={"WAIT": "false"})


def of_code(body, code):
    return [entry for entry in body["slow"] if entry["code"] == code]


def test_a_slow_append_is_named(slow_broker, connection, slow_topic):
    """Goal: a request that the append held up is kept with that stage, and leaves a line in the log.
    Method: the append pauses once."""
    slow_broker.arm("pause", "store.append", 0, 1, PAUSE_MS)
    send_unsynced(connection, slow_topic)
    entry = max(of_code(evidence(connection), 310), key=lambda e: e["stageMicros"]["append"])
    assert entry["stageMicros"]["append"] >= PAUSE_MS * 1000
    assert entry["totalMicros"] >= entry["stageMicros"]["append"]
    assert entry["peer"].startswith("127.0.0.1:") and entry["requests"] >= 1
    servers.wait_until(lambda: "slow_request total_us=" in slow_broker.log_path.read_text(), what="a line in the log")


def test_waiting_for_the_disk_is_named(slow_broker, connection, slow_topic):
    """Goal: an answer that waited for a slow sync shows it as flush.
    Method: every sync pauses; one may have begun just before the message came, so two are waited for."""
    slow_broker.arm("pause", "disk.sync_range", 0, 100, PAUSE_MS)
    send(connection, slow_topic)
    entry = max(of_code(evidence(connection), 310), key=lambda e: e["stageMicros"]["flush"])
    assert entry["stageMicros"]["flush"] >= PAUSE_MS * 1000 / 2


def test_the_kernel_is_heard(slow_broker, connection, slow_topic):
    """Goal: slow requests come with what the kernel counted meanwhile, once it was read before.
    Method: slow sends until one of them has it."""
    def heard():
        slow_broker.arm("pause", "store.append", 0, 1, 2)
        send_unsynced(connection, slow_topic)
        slow_broker.arm("clear")
        return [e for e in of_code(evidence(connection), 310) if "kernel" in e]

    entry = servers.wait_until(heard, 60, "kernel counters", 0.2)[0]
    assert {"runQueueMicros", "minorFaults", "majorFaults", "writtenKib", "reclaimPages",
            "ioStallMicros", "overMillis"} <= set(entry["kernel"])


def test_a_threshold_of_0_keeps_nothing(slow_broker, connection, slow_topic):
    """Goal: slowRequestThresholdMicros changes at run time; 0 turns the ring off, not the histograms."""
    set_threshold(connection, 0)
    try:
        before = evidence(connection)
        slow_broker.arm("pause", "store.append", 0, 1, PAUSE_MS)
        send_unsynced(connection, slow_topic)
        after = evidence(connection)
        assert after["thresholdMicros"] == 0
        assert after["slow"] == before["slow"]
        assert after["stages"][-1]["count"] > before["stages"][-1]["count"]
    finally:
        set_threshold(connection, 1000)


def test_every_request_is_counted(connection, slow_topic):
    """Goal: `total` counts each request, a stage one in 32 with that weight while passes are small, whatever is asked
    in turns."""
    before = {s["name"]: s["count"] for s in evidence(connection)["stages"]}
    for _ in range(320):
        send_unsynced(connection, slow_topic)
    after = evidence(connection)["stages"]
    assert [s["name"] for s in after] == STAGES
    grown = {s["name"]: s["count"] - before[s["name"]] for s in after}
    assert grown["total"] >= 320
    assert 160 <= grown["append"] <= 480 and grown["append"] % 32 == 0
    assert grown["decode"] >= grown["append"]  # of what stores nothing, too


def at_once(connection, requests):
    """Sends all in one write, which one pass of the broker reads, and waits for the answers."""
    frames = [mq.encode(mq.Frame(code, ext, body, 1000000 + n)) for n, (code, ext, body) in enumerate(requests)]
    connection.send_raw(b"".join(frames))
    for n in range(len(frames)):
        assert connection.receive(1000000 + n).code == 0


def test_of_many_at_once_the_slow_ones_are_named(slow_broker, connection, slow_topic):
    """Goal: requests that share a reading of the clock are counted one by one, and are of one kind.
    Method: sends, a question, sends; the append of one of the last pauses."""
    ext = mq.send_fields(slow_topic, 0, {"WAIT": "false"})
    sends, question = [(310, ext, b"body")] * 20, (30, {"topic": slow_topic, "queueId": "0"}, b"")
    before = evidence(connection)
    slow_broker.arm("pause", "store.append", 33, 1, PAUSE_MS)
    at_once(connection, [*sends, question, *sends])
    after = evidence(connection)
    entry = max(after["slow"], key=lambda e: e["timestamp"])
    assert entry["code"] == 310 and entry["requests"] == 41
    took = entry["stageMicros"]
    assert took["handle"] + took["append"] >= PAUSE_MS * 1000 > took["wait"]
    counts = [{s["name"]: s["count"] for s in body["stages"]} for body in (before, after)]
    assert counts[1]["total"] - counts[0]["total"] == 42  # and the one that asked before


def test_each_queue_has_what_its_puts_waited(slow_broker, connection, slow_topic):
    """Goal: TOPIC_PUT_LATENCY is by queue, of puts that share a reading of the clock, too.
    Method: two queues in turns, the first of all pauses, all others wait for it."""
    slow_broker.arm("pause", "store.append", 0, 1, PAUSE_MS)
    at_once(connection, [(310, mq.send_fields(slow_topic, n % 2, {"WAIT": "false"}), b"body") for n in range(24)])

    def latencies():
        found = [stats(connection, "TOPIC_PUT_LATENCY", "%d@%s" % (queue, slow_topic)) for queue in (0, 1)]
        sums = [f["statsMinute"]["sum"] if f else 0 for f in found]
        return sums if min(sums) >= 12 * PAUSE_MS else None

    servers.wait_until(latencies, 30, "the latencies of both queues", 0.5)


def test_the_ring_is_bounded(slow_broker, connection, slow_topic):
    """Goal: the 64 latest are kept, the latest first."""
    slow_broker.arm("pause", "store.append", 0, 70, 2)
    for _ in range(70):
        send_unsynced(connection, slow_topic)
    slow = evidence(connection)["slow"]
    assert len(slow) == 64
    assert [e["timestamp"] for e in slow] == sorted((e["timestamp"] for e in slow), reverse=True)


def test_ramjet_slow_prints_it(slow_broker, connection, slow_topic):
    """Goal: `ramjet slow` shows stages and slow requests of a broker; of nobody, it says so."""
    slow_broker.arm("pause", "store.append", 0, 1, PAUSE_MS)
    send_unsynced(connection, slow_topic)
    command = [servers.ramjet_binary(), "slow", "--broker"]
    done = subprocess.run([*command, slow_broker.address], capture_output=True, text=True, timeout=120, check=True)
    assert "append" in done.stdout and "SEND_MESSAGE_V2 (310) from 127.0.0.1:" in done.stdout
    done = subprocess.run([*command, "127.0.0.1:1"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
