"""One flipped bit, one cut file, one missing file: the store starts, or refuses with the bytes and the file.

A broker of this kind writes a small directory of every kind of message; `crash_flip` (tests/crash/flip) damages copies
of it, one thing at a time, opens each with the real store and tables and looks at everything: on files of the machine,
and, many more of them, in memory. Every kind of file that a broker or name server leaves stands in tests/lib/store_files.py;
one that is new fails here until it does, and until it is damaged too.

    CRASH_FLIPS=100000 CRASH_CUTS=20000 tests/run flip       shared by the directories that Ramjet and the reference left,
                                                             stopped and at SIGKILL
    CRASH_FLIP_SEED=N CRASH_FLIP_PRESET=debug                other ones; with the sanitizers
    CRASH_FLIP_JOBS=2                                        so many at a time
"""

import os
import re
import shutil
import signal
import subprocess

import pytest
from all_kinds import Load
from servers import ROOT, Broker, ramjet_binary, wait_until
from store_files import expect_known_files, kinds_of_files, missing_kinds

TARGETS = ("ramjet", "rocketmq-5.3.3")
ENDS = {"stopped": signal.SIGTERM, "killed": signal.SIGKILL}
IS_LONG = "CRASH_FLIPS" in os.environ
SHARES = len(TARGETS) * len(ENDS)
FLIPS, CUTS = int(os.environ.get("CRASH_FLIPS", 8000)) // SHARES, int(os.environ.get("CRASH_CUTS", 1600)) // SHARES
SEED = os.environ.get("CRASH_FLIP_SEED", "1")
SIZES = {"mappedFileSizeCommitLog": 64 << 10, "mappedFileSizeConsumeQueue": 600,
         "mapperFileSizeBatchConsumeQueue": 46 * 10, "maxHashSlotNum": 64, "maxIndexNum": 180,
         "mappedFileSizeTimerLog": 4096, "compactionMappedFileSize": 9200, "compactionCqMappedFileSize": 460}
OPTIONS = {"--log-file-bytes": "mappedFileSizeCommitLog", "--queue-file-bytes": "mappedFileSizeConsumeQueue",
           "--batch-file-bytes": "mapperFileSizeBatchConsumeQueue", "--timer-file-bytes": "mappedFileSizeTimerLog",
           "--index-slots": "maxHashSlotNum", "--index-entries": "maxIndexNum",
           "--compaction-log-bytes": "compactionMappedFileSize", "--compaction-queue-bytes": "compactionCqMappedFileSize"}
TURNS = 3
PUT_KV = 100


def make_store(target, end, name_server, home):
    """A directory that was closed well, written to again, and then left like this. Its name server's table lies in it, too."""
    conf = {**SIZES, "maxMessageSize": 16 << 10, "enableCalcFilterBitMap": "true", "enablePropertyFilter": "true",
            "compactionScheduleInternal": 500, "flushDelayOffsetInterval": 500, "brokerFastFailureEnable": "false",
            "osPageCacheBusyTimeOutMills": 600000}  # on a busy machine the reference refuses what waited 200 ms
    broker = Broker(target, home, [name_server], conf=conf)
    is_ours = target == "ramjet"
    load = Load(1, target.removeprefix("rocketmq-"), has_compacted=is_ours)
    for turn in range(TURNS):
        if is_ours and turn == 1:  # so that there are both tables of offsets
            broker.conf.update(enableLmq="true", enableMultiDispatch="true")
            load.take_light()
        with broker:
            fill(load, broker, turn)
            if is_ours and turn == TURNS - 1:
                wait_until((broker.store / "compaction/position-checkpoint").exists, 60, "a compaction")
            broker.stop(signal.SIGTERM if turn < TURNS - 1 else end)
    add_kv_table(name_server, broker.store)
    return broker.store


def fill(load, broker, turn):
    with broker.connect() as connection:
        if turn == 0:
            load.prepare(connection)
        else:
            load.change_tables(connection)
        for _ in range(30 // TURNS):
            load.one_of_each(connection)


def add_kv_table(name_server, store):
    with name_server.connect() as connection:
        for value in ("before", "now"):
            assert connection.call(PUT_KV, {"namespace": "kinds", "key": "k", "value": value}).code == 0
    for path in (name_server.home / "home/namesrv").glob("kvConfig.json*"):
        shutil.copy2(path, store / "config")  # with the time that it was last modified


def counts_of(report):
    """Kind of file -> how often one was damaged."""
    lines = [re.fullmatch(r"(\S.*?)((?: +\d+)+)", line) for line in report.splitlines()]
    return {line.group(1): sum(map(int, line.group(2).split())) for line in lines if line}


def flip(store, keep, flips, cuts, in_memory):
    """Runs the cases; on a violation the directory is kept. How often each kind of file was damaged."""
    preset = ROOT / "build" / os.environ.get("CRASH_FLIP_PRESET", ramjet_binary().parent.name)
    binary = preset / "tests/crash/flip" / ("crash_flip_memory" if in_memory else "crash_flip")
    sizes = [str(word) for option, key in OPTIONS.items() for word in (option, SIZES[key])]
    command = [str(binary), str(store), "--flips", str(flips), "--cuts", str(cuts), "--removals", str(min(cuts, 400)),
               "--seed", SEED, "--jobs", os.environ.get("CRASH_FLIP_JOBS", "1"), *sizes]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout)
    if done.returncode != 0:
        shutil.copytree(store, keep)
        pytest.fail("%s\n\n%s\nthe directory is kept in %s" % (" ".join(command), done.stdout, keep))
    return counts_of(done.stdout)


@pytest.mark.parametrize("target, end", [(target, end) for target in TARGETS for end in ENDS] if IS_LONG else
                         [("ramjet", end) for end in ENDS])
def test_one_damage_is_noticed_or_does_nothing(target, end, name_server, tmp_path):
    """Goal: whatever one damage does to a directory of Ramjet's or the reference's, no wrong byte is served and nothing else
    is lost; there is no kind of file that was not damaged."""
    store = make_store(target, ENDS[end], name_server, tmp_path / "broker")
    expect_known_files(store)
    counts = flip(store, tmp_path / "kept", FLIPS, CUTS, True)
    missing = kinds_of_files(store) - {kind for kind, count in counts.items() if count > 0}
    assert not missing, "not damaged: %s" % missing
    assert target != "ramjet" or not missing_kinds(store, end), missing_kinds(store, end)
    flip(store, tmp_path / "kept", 60, 20, False)
