"""Timers survive the death of the process: none lost, none early, only what followed the last check point twice."""

import itertools
import random
import struct
import time

import mini_client as mq
import pytest
from servers import wait_until
from test_calls import shim

TOPIC = "crash_timer"
QUEUES = 4
SEND, PULL, RECALL, TIMER_CHECK = 310, 11, 370, 60


def send_timed(connection, body, due_ms):
    fields = mq.send_fields(TOPIC, int(body) % QUEUES, {"TIMER_DELIVER_MS": due_ms, "UNIQ_KEY": "K%s" % body.decode()})
    answer = connection.call(SEND, fields, body)
    assert answer.code == 0, answer.remark
    return answer.ext.get("recallHandle")  # none when the time was over by then


class Delivered:
    """What has come, read from where the last read ended."""

    def __init__(self):
        self.offsets = [0] * QUEUES
        self.times = {}  # body -> store times

    def read(self, broker):
        with broker.connect() as connection:
            for queue in range(QUEUES):
                answer = connection.call(PULL, mq.pull_fields("crash_group", TOPIC, queue, self.offsets[queue]))
                while answer.code == 0:
                    for record in mq.decode_records(answer.body):
                        assert record.queue_offset == self.offsets[queue]
                        self.offsets[queue] += 1
                        self.times.setdefault(record.body, []).append(record.store_ms)
                    answer = connection.call(PULL, mq.pull_fields("crash_group", TOPIC, queue, self.offsets[queue]))
        return self.times


def saved_to(broker):
    """The first time, in ms, that the check point does not say to be delivered; 0: there is none."""
    path = broker.store / "config" / "timercheck"
    return struct.unpack_from(">q", path.read_bytes())[0] if path.exists() else 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.conf(recallMessageEnable="true", timerRollWindowSlot=4)
def test_kill_loses_no_timer(broker, seed):
    """Goal: SIGKILL at any moment, four times: every acknowledged timer comes, at its time or when the broker is
    back, never before; none that was recalled comes; twice comes only what followed the last check point.
    Method: random times up to nine seconds ahead, rolled at four; sends, recalls and kills interleaved."""
    draw = random.Random(seed)
    due, rolled, recalled, handles = {}, set(), set(), {}
    delivered = Delivered()
    kills = []  # (when, from where on the check point says that it may come again)
    for _ in range(4):
        broker.start()
        with broker.connect() as connection:
            end = time.monotonic() + draw.uniform(0.3, 1.8)
            while time.monotonic() < end:
                body = b"%d" % len(due)
                ahead_ms = draw.choice((30, 300, 1500, 3000, 9000)) + draw.randrange(700)
                rolled |= {body} if ahead_ms >= 3000 else set()
                due[body] = mq.now_ms() + ahead_ms
                handles[body] = send_timed(connection, body, due[body])
                target = draw.choice(sorted(due))
                if draw.random() < 0.2 and handles[target] and due[target] > mq.now_ms() + 1500:
                    assert connection.call(RECALL, {"topic": TOPIC, "recallHandle": handles[target]}).code == 0
                    recalled.add(target)
        delivered.read(broker)
        broker.kill()
        kills.append((mq.now_ms(), saved_to(broker)))
    broker.start()
    wanted = set(due) - recalled
    wait_until(lambda: wanted <= set(delivered.read(broker)), 60, "every timer")
    early = {body: times for body, times in delivered.times.items() if min(times) < due[body]}
    assert not early
    assert not recalled & set(delivered.times)
    for body in set(delivered.times) - rolled:  # one that was rolled twice comes twice in one life
        for first, again in itertools.pairwise(delivered.times[body]):
            assert any(saved <= first <= killed <= again for killed, saved in kills), (body, first, again, kills)


@pytest.mark.conf(timerFlushIntervalMs=200)
def test_a_clean_stop_repeats_no_timer(broker):
    """Goal: after SIGTERM in the middle of a second nothing comes twice, and what is pending comes."""
    delivered = Delivered()
    due = {}
    for round_number in range(3):
        broker.start()
        with broker.connect() as connection:
            for i in range(40):
                body = b"%d" % (round_number * 40 + i)
                due[body] = mq.now_ms() + 100 + 40 * i
                send_timed(connection, body, due[body])
            wait_until(lambda: len(delivered.read(broker)) > round_number * 40 + 10)
        assert broker.stop() == 0
    broker.start()
    wait_until(lambda: len(delivered.read(broker)) == len(due), 60, "every timer")
    assert all(len(times) == 1 for times in delivered.times.values())
    assert all(times[0] >= due[body] for body, times in delivered.times.items())


def test_a_lost_wheel_is_made_again(broker):
    """Goal: wheel and check point are derived: without them the timers are found again in the timer log."""
    broker.start()
    with broker.connect() as connection:
        due_ms = mq.now_ms() + 6000
        for i in range(50):
            send_timed(connection, b"%d" % i, due_ms)
        wait_until(lambda: struct.unpack_from(">q", connection.call(TIMER_CHECK).body, 16)[0] == 50)
    broker.stop()
    (broker.store / "timerwheel").unlink()
    (broker.store / "config" / "timercheck").unlink()
    broker.start()
    delivered = Delivered()
    wait_until(lambda: len(delivered.read(broker)) == 50, 60, "every timer")
    assert all(len(times) == 1 and times[0] >= due_ms for times in delivered.times.values())


def start_and_stop(broker, monkeypatch, kill_at, count_file):
    """Killed in front of the call that changes a file and has this number; 0: runs to its end. True: it ended."""
    with monkeypatch.context() as patch:
        for name, value in (("LD_PRELOAD", shim()), ("SHIM_DIR", broker.store), ("SHIM_KILL_AT", kill_at),
                            ("SHIM_COUNT", count_file)):
            patch.setenv(name, str(value))
        try:
            broker.start()
            return broker.stop() == 0
        except (mq.Closed, OSError, RuntimeError, TimeoutError):
            broker.kill()
            return False


def test_killed_at_each_call_of_a_start(broker, tmp_path, monkeypatch):
    """Goal: whichever call that changes a file is the last one of a start after a kill, or of the stop behind it, the
    next start goes on, and every timer that waits is there.
    Method: one start and stop to count its calls, then once for each, killed in front of it."""
    count_file = tmp_path / "count"
    ends, sent, number = 0, 0, 0
    while number == 0 or number <= int(count_file.read_text(encoding="ascii")):
        broker.start()
        with broker.connect() as connection:
            wait_until(lambda: struct.unpack_from(">q", connection.call(TIMER_CHECK).body, 16)[0] == sent, 60, "all")
            send_timed(connection, b"%d" % sent, mq.now_ms() + 3600000)
            sent += 1
        broker.kill()
        ends += start_and_stop(broker, monkeypatch, number, count_file)
        number += 1
    assert number > 20 and ends < number / 2
