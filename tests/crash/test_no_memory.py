"""An allocation of the broker fails: it goes on, or it ends as a kill ends it.

CRASH_ALLOCATIONS: how many of them (default 40): spread over all, another set each time. The number of one that
failed is told; CRASH_ALLOCATION_AT=N has it fail alone."""

import os
import random
import re
import shutil
import signal

import mini_client as mq
import pytest
from servers import Broker, ramjet_binary, sanitizer
from test_kill import PULL, SEND, TOPIC, expect_all

ALLOCATIONS = int(os.environ.get("CRASH_ALLOCATIONS", "40"))
ALLOCATION_AT = int(os.environ.get("CRASH_ALLOCATION_AT", "0"))
HEARTBEAT, RUNTIME_INFO = 34, 28
ENDS = (0, 1, 2)  # a clean end, a start that was refused


class ShortOfMemory(Broker):
    """It may not be able to reach its name server: it is ready when it answers."""

    def is_ready(self):
        with self.connect(timeout=5) as connection:
            return connection.call(RUNTIME_INFO).code == 0


def spread(count):
    """Numbers from 1 to count, in equal steps from a place that is drawn: run after run all of them have their turn."""
    step = max(1, count // ALLOCATIONS)
    return [ALLOCATION_AT] if ALLOCATION_AT else range(1 + random.randrange(step), count + 1, step)


def run_scenario(broker):
    """A start, a consumer, sends and pulls, an end. Gives what was acknowledged, and the exit code."""
    acked = {}
    try:
        broker.start()
        with broker.connect(timeout=30) as connection:
            known = {"crash_group": [mq.subscription(TOPIC, "a || b", 1)]}
            connection.call(HEARTBEAT, body=mq.heartbeat_body("one@1", [], known))
            for number in range(12):
                body = b"%d:" % number + bytes([number]) * (300 if number % 3 else 60000)
                answer = connection.call(SEND, mq.send_fields(TOPIC, number % 4, {"KEYS": "k%d" % number}), body)
                if answer.code == 0:
                    acked[int(answer.ext["queueId"]), int(answer.ext["queueOffset"])] = body
                connection.call(PULL, mq.pull_fields("crash_group", TOPIC, number % 4, 0))
    except (mq.Closed, OSError, TimeoutError):
        pass
    except RuntimeError as error:  # it did not start
        return acked, int(re.search(r" ended with (-?\d+)", str(error))[1])
    return acked, broker.stop()


def test_an_allocation_that_fails_loses_nothing(name_server, tmp_path, monkeypatch):
    """Goal: whichever allocation fails, the broker goes on, or refuses to start, or ends and says why; nothing that
    was acknowledged is lost, and the next start is well.
    Method: one scenario, run to its end to count its allocations, then again with one of them failing; each time
    everything is read back."""
    if sanitizer():
        pytest.skip("a sanitizer has an allocator of its own")
    count_file = tmp_path / "count"
    broker = ShortOfMemory("ramjet", tmp_path / "broker", [name_server], name="short",
                           conf={"mappedFileSizeCommitLog": 1 << 20, "mappedFileSizeConsumeQueue": 20000})
    shim = {"LD_PRELOAD": str(ramjet_binary().parent / "tests/crash/libno_memory_shim.so"), "NO_MEMORY_COUNT": str(count_file)}
    ends = []
    try:
        for name, value in shim.items():
            monkeypatch.setenv(name, value)
        acked, code = run_scenario(broker)
        assert (len(acked), code) == (12, 0)
        count = int(count_file.read_text(encoding="ascii"))
        assert count > 100
        for at in spread(count):
            print("allocation %d of %d" % (at, count))
            shutil.rmtree(broker.store, ignore_errors=True)
            for name, value in shim.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("NO_MEMORY_AT", str(at))
            seen = len(broker.log_tail(1 << 30))
            acked, code = run_scenario(broker)
            said = broker.log_tail(1 << 30)[seen:]
            assert code in ENDS or (code == -signal.SIGABRT and "out_of_memory" in said), (at, code, said[-3000:])
            ends.append(code)
            for name in (*shim, "NO_MEMORY_AT"):
                monkeypatch.delenv(name)
            broker.start()
            if acked:
                expect_all(broker, acked)
            with broker.connect() as connection:
                assert connection.call(SEND, mq.send_fields(TOPIC, 0), b"on").code == 0, at
            broker.kill()
    finally:
        broker.stop()
    assert ALLOCATION_AT or -signal.SIGABRT in ends
