"""Popped messages whose broker is replaced by one of the other kind, on the same store directory."""

import sys
import time
from pathlib import Path

import mini_client as mq
import pytest
from servers import Broker, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from pops import ack, pop  # noqa: E402

REFERENCE = "rocketmq-5.3.3"
SEND, PUT_TOPIC = 310, 17
TOPIC, GROUP = "handover", "handover_group"
# for the one to end and the other to start; the longer is for a machine that needs it
INVISIBLE_MS = (35000, 150000)
COMES_BACK_S = 200


def fill(connection, count):
    answer = connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, 2))
    assert answer.code == 0, answer.remark
    for number in range(count):
        assert connection.call(SEND, mq.send_fields(TOPIC, number % 2), b"%d" % number).code == 0


def pop_all(connection, count, invisible_ms):
    found = []

    def enough():
        found.extend(pop(connection, GROUP, TOPIC, invisible_ms=invisible_ms))
        return len(found) >= count

    wait_until(enough, COMES_BACK_S, "%d messages" % count, 0.2)
    return found


@pytest.mark.parametrize("first, second", (("ramjet", REFERENCE), (REFERENCE, "ramjet")))
def test_what_is_out_is_continued_by_the_other_broker(first, second, name_server, tmp_path):
    """Goal: what was popped from the one and not acknowledged comes back from the other when its time is over,
    what was acknowledged there (or here, with the other's handles) does not; nothing is popped twice before.
    Method: when the time was over before the other was asked, all again with a longer one."""
    assert any(hand_over(first, second, name_server, tmp_path / str(invisible_ms), invisible_ms)
               for invisible_ms in INVISIBLE_MS), "no time is long enough"


def hand_over(first, second, name_server, home, invisible_ms):
    """Whether it was done in time."""
    store = home / "store"
    with Broker(first, home / first, [name_server], store=store) as broker:
        with broker.connect() as connection:
            fill(connection, 12)
            begin = time.monotonic()
            messages = sorted(pop_all(connection, 12, invisible_ms), key=lambda m: int(m.body))
            assert [int(m.body) for m in messages] == list(range(12))
            for message in messages[:4]:
                assert ack(connection, GROUP, message).code == 0
    with Broker(second, home / second, [name_server], store=store) as broker:
        with broker.connect() as connection:
            codes = [ack(connection, GROUP, message).code for message in messages[4:8]]
            early = pop(connection, GROUP, TOPIC, invisible_ms=invisible_ms)
            if time.monotonic() - begin >= invisible_ms / 1000 - 1:
                return False
            assert codes == [0] * 4
            assert early == []
            again = pop_all(connection, 4, invisible_ms)
            assert time.monotonic() - begin >= invisible_ms / 1000 - 0.1
            assert sorted(int(m.body) for m in again) == [8, 9, 10, 11]
            assert all(m.record.reconsume_times == 1 for m in again)
            assert [ack(connection, GROUP, m).code for m in again] == [0] * 4
            assert pop(connection, GROUP, TOPIC, invisible_ms=invisible_ms) == []
            return True
