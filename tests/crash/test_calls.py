"""The process dies at each of its calls that change a file, and at random moments, very often.

CRASH_KILLS: how many random kills (default 60)."""

import os
import random
import re
import shutil
import subprocess

import mini_client as mq
import pytest
from servers import ramjet_binary, sanitizer
from test_kill import SEND, expect_all, send_until

TOPIC = "crash"
KILLS = int(os.environ.get("CRASH_KILLS", "60"))


def shim():
    """What is preloaded. A sanitizer must be the first of the libraries: its calls go on to the shim's."""
    library = str(ramjet_binary().parent / "tests/crash/libcrash_shim.so")
    if sanitizer() is None:
        return library
    found = subprocess.run(["ldd", ramjet_binary()], stdout=subprocess.PIPE, check=True, text=True).stdout
    return "%s:%s" % (re.search(sanitizer() + r"\S* => (\S+)", found)[1], library)


def run_scenario(broker, monkeypatch, kill_at, count_file):
    """A start, sends to four queues that roll a file, an end. Gives what was acknowledged before it died."""
    acked = {}
    monkeypatch.setenv("LD_PRELOAD", str(shim()))
    monkeypatch.setenv("SHIM_DIR", str(broker.store))
    monkeypatch.setenv("SHIM_KILL_AT", str(kill_at))
    monkeypatch.setenv("SHIM_COUNT", str(count_file))
    try:
        broker.start()
        with broker.connect() as connection:
            for number in range(24):
                body = b"%d:" % number + bytes([number % 251]) * (300 if number % 3 else 60000)
                answer = connection.call(SEND, mq.send_fields(TOPIC, number % 4, {"KEYS": "k%d" % number}), body)
                if answer.code == 0:
                    acked[int(answer.ext["queueId"]), int(answer.ext["queueOffset"])] = body
        broker.stop()
    except (mq.Closed, OSError, RuntimeError, TimeoutError):
        broker.kill()
    for name in ("LD_PRELOAD", "SHIM_DIR", "SHIM_KILL_AT", "SHIM_COUNT"):
        monkeypatch.delenv(name)
    return acked


@pytest.mark.conf(flushDiskType="SYNC_FLUSH", flushIntervalConsumeQueue=50)
def test_killed_at_each_call_loses_nothing_that_was_acknowledged(broker, tmp_path, monkeypatch):
    """Goal: whichever call that changes a file is the last one, nothing acknowledged is lost and the next start
    goes on. Method: one scenario, run to its end to count its calls, then once for each call, killed in front of
    it; each time everything is read back."""
    count_file = tmp_path / "count"
    run_scenario(broker, monkeypatch, 0, count_file)
    count = int(count_file.read_text(encoding="ascii"))
    assert count > 50
    for kill_at in range(1, count + 1):
        shutil.rmtree(broker.store)
        acked = run_scenario(broker, monkeypatch, kill_at, count_file)
        broker.start()
        if acked:
            expect_all(broker, acked)
        with broker.connect() as connection:
            assert connection.call(SEND, mq.send_fields(TOPIC, 0), b"on").code == 0, kill_at
        broker.kill()


def test_killed_very_often_loses_nothing_that_was_acknowledged(broker):
    """Goal: kill after kill on one store, also during recovery, loses nothing acknowledged.
    Method: send until a random moment, SIGKILL, start; now and then killed again at once."""
    chance = random.Random()
    acked = {}
    for number in range(KILLS):
        broker.start()
        if chance.randrange(4) == 0:
            broker.kill()
            broker.start()
        acked.update(send_until(broker, chance.randrange(1 << 30), broker.kill))
        if number % 10 == 9 or number == KILLS - 1:
            broker.start()
            acked = dict(expect_all(broker, acked))
            broker.kill()
