"""One flipped bit, one cut file, one missing file: the store starts, or refuses with the bytes and the file.

A broker of this kind writes a small directory of every kind of message; `crash_flip` (tests/crash/flip) damages copies
of it, one thing at a time, opens each with the real store and tables and looks at everything.

    CRASH_FLIPS=100000 CRASH_CUTS=20000 tests/run flip       shared by the directories that Ramjet and the reference left,
                                                             stopped and at SIGKILL
    CRASH_FLIP_SEED=N CRASH_FLIP_BINARY=build/debug/tests/crash/flip/crash_flip   other ones; with the sanitizers

Entries of batch queues are left out: a damaged one is noticed only where it leads to no record of its queue
(docs/durability.md).
"""

import os
import shutil
import signal
import subprocess

import pytest
from all_kinds import Load
from servers import Broker, ramjet_binary

TARGETS = ("ramjet", "rocketmq-5.3.3")
ENDS = {"stopped": signal.SIGTERM, "killed": signal.SIGKILL}
IS_LONG = "CRASH_FLIPS" in os.environ
SHARES = len(TARGETS) * len(ENDS) if IS_LONG else 1
FLIPS, CUTS = int(os.environ.get("CRASH_FLIPS", 300)) // SHARES, int(os.environ.get("CRASH_CUTS", 80)) // SHARES
REMOVALS = min(CUTS, 300)
SEED = os.environ.get("CRASH_FLIP_SEED", "1")
SIZES = {"mappedFileSizeCommitLog": 64 << 10, "mappedFileSizeConsumeQueue": 600,
         "mapperFileSizeBatchConsumeQueue": 46 * 10, "maxHashSlotNum": 64, "maxIndexNum": 180,
         "mappedFileSizeTimerLog": 4096}


def make_store(target, end, name_server, home):
    """A directory that was closed well once, written to again, and then left like this."""
    conf = {**SIZES, "maxMessageSize": 16 << 10, "enableCalcFilterBitMap": "true", "enablePropertyFilter": "true",
            "brokerFastFailureEnable": "false"}  # on a busy machine the reference refuses what waited 200 ms
    broker = Broker(target, home, [name_server], conf=conf)
    load = Load(1, target.removeprefix("rocketmq-"))
    for turn in range(2):
        with broker:
            fill(load, broker, turn)
            broker.stop(signal.SIGTERM if turn == 0 else end)
    return broker.store


def fill(load, broker, turn):
    with broker.connect() as connection:
        if turn == 0:
            load.prepare(connection)
        else:
            load.change_tables(connection)
        for _ in range(14):
            load.one_of_each(connection)


def flip(store, keep):
    """Runs the cases; on a violation the directory is kept."""
    binary = os.environ.get("CRASH_FLIP_BINARY", ramjet_binary().parent / "tests/crash/flip/crash_flip")
    sizes = {"--log-file-bytes": "mappedFileSizeCommitLog", "--queue-file-bytes": "mappedFileSizeConsumeQueue",
             "--batch-file-bytes": "mapperFileSizeBatchConsumeQueue",
             "--timer-file-bytes": "mappedFileSizeTimerLog", "--index-slots": "maxHashSlotNum",
             "--index-entries": "maxIndexNum"}
    options = [str(word) for name, key in sizes.items() for word in (name, SIZES[key])]
    command = [str(binary), str(store), "--flips", str(FLIPS), "--cuts", str(CUTS), "--removals", str(REMOVALS),
               "--seed", SEED, "--without", "batchconsumequeue", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout)
    if done.returncode != 0:
        shutil.copytree(store, keep)
        pytest.fail("%s\n\n%s\nthe directory is kept in %s" % (" ".join(command), done.stdout, keep))


@pytest.mark.parametrize("target, end", [(target, end) for target in TARGETS for end in ENDS] if IS_LONG else [("ramjet", "stopped")])
def test_one_damage_is_noticed_or_does_nothing(target, end, name_server, tmp_path):
    """Goal: whatever one damage does to a directory of Ramjet's or the reference's, no wrong byte is served and nothing else
    is lost."""
    flip(make_store(target, ENDS[end], name_server, tmp_path / "broker"), tmp_path / "kept")
