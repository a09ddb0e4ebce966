"""Delayed messages survive the death of the process: none lost, none early, only what was delivered behind the last
save twice."""

import random
import time

import mini_client as mq
import pytest
from servers import wait_until
from test_kill_timers import Delivered, QUEUES, SEND, TOPIC

LEVELS_S = (1, 2, 3)
KILLS = 4
CONF = {"messageDelayLevel": "1s 2s 3s", "flushDelayOffsetInterval": 200}


def send_delayed(connection, body, level):
    """Sends a message; gives the time before which it must not come."""
    sent_ms = mq.now_ms()
    answer = connection.call(SEND, mq.send_fields(TOPIC, int(body) % QUEUES, {"DELAY": str(level)}), body)
    assert answer.code == 0, answer.remark
    return sent_ms + 1000 * LEVELS_S[level - 1]


@pytest.mark.conf(**CONF)
@pytest.mark.parametrize("seed", range(2))
def test_kill_loses_no_delayed_message(broker, seed):
    """Goal: SIGKILL at any moment, four times: every acknowledged message comes, at its level's time or when the broker
    is back, never before, and again at
    most once a kill. Method: random levels, sends and kills interleaved."""
    draw = random.Random(seed)
    due, delivered = {}, Delivered()
    for _ in range(KILLS):
        broker.start()
        with broker.connect() as connection:
            end = time.monotonic() + draw.uniform(0.3, 1.8)
            while time.monotonic() < end:
                body = b"%d" % len(due)
                due[body] = send_delayed(connection, body, draw.randint(1, 3))
                delivered.read(broker)
        broker.kill()
    broker.start()
    wait_until(lambda: set(due) <= set(delivered.read(broker)), 60, "every message")
    assert not {body for body, times in delivered.times.items() if min(times) < due[body]}
    assert max(map(len, delivered.times.values())) <= 1 + KILLS


@pytest.mark.conf(**CONF)
def test_a_clean_stop_repeats_no_delayed_message(broker):
    """Goal: after SIGTERM nothing comes twice, and what waits comes."""
    due, delivered = {}, Delivered()
    for round_number in range(3):
        broker.start()
        with broker.connect() as connection:
            for i in range(40):
                body = b"%d" % (round_number * 40 + i)
                due[body] = send_delayed(connection, body, i % 3 + 1)
            wait_until(lambda: len(delivered.read(broker)) > round_number * 40 + 10, 60, "some of them")
        assert broker.stop() == 0
    broker.start()
    wait_until(lambda: len(delivered.read(broker)) == len(due), 60, "every message")
    assert all(len(times) == 1 and times[0] >= due[body] for body, times in delivered.times.items())
