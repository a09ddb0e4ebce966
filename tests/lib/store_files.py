"""Every kind of file that is in a store directory: the one table of them. tests/crash/test_flip.py damages each, and fails
when its directory has a file of a kind that has no row here, or that was not damaged.

A kind is named as crash_flip names it (tests/crash/flip/image.c).
"""

import re
from pathlib import Path

RAMJET, REFERENCE, SOMETIMES = "ramjet", "reference", "sometimes"
NUMBER = r"\d{20}"
QUEUE = r"/\d+/" + NUMBER
TABLE = r"(\.bak|\.sum)?"

# the path below the directory, as an expression; its kind, where that is not what stands before the first slash;
# who leaves it in the directory of test_flip.py (SOMETIMES: what is in the way of a crash, or comes with time)
ROWS = [
    ("commitlog/" + NUMBER, None, RAMJET),
    (r"consumequeue/%LMQ%[^/]+" + QUEUE, "consumequeue of light queues", RAMJET),
    (r"consumequeue/%RETRY%[^/]+" + QUEUE, "consumequeue of retries", SOMETIMES),
    (r"consumequeue/SCHEDULE_TOPIC_XXXX" + QUEUE, "consumequeue of delays", RAMJET),
    (r"consumequeue/rmq_sys_wheel_timer" + QUEUE, "consumequeue of timers", RAMJET),
    (r"consumequeue/RMQ_SYS_TRANS_\w+" + QUEUE, "consumequeue of transactions", RAMJET),
    (r"consumequeue/rmq_sys_REVIVE_LOG_\w+" + QUEUE, "consumequeue of pops", SOMETIMES),
    (r"consumequeue/[^/]+" + QUEUE, None, RAMJET),
    (r"batchconsumequeue/[^/]+" + QUEUE, None, RAMJET),
    (r"index/\d{17}", None, RAMJET),
    (r"timerwheel", None, RAMJET),
    (r"timerlog/" + NUMBER, None, RAMJET),
    (r"compaction/compactionLog/[^/]+" + QUEUE, "compaction/compactionLog", RAMJET),
    (r"compaction/compactionCq/[^/]+" + QUEUE, "compaction/compactionCq", RAMJET),
    (r"compaction/position-checkpoint", "compaction/position-checkpoint", RAMJET),
    (r"checkpoint", None, RAMJET),
    (r"abort", None, "ramjet killed"),
    (r"lock", None, RAMJET),
    *((r"config/" + re.escape(name) + TABLE, "config/" + name, RAMJET)
      for name in ("topics.json", "subscriptionGroup.json", "consumerOffset.json", "lmqConsumerOffset.json",
                   "consumerFilter.json", "consumerOrderInfo.json", "messageRequestMode.json", "timermetrics",
                   "transactionMetrics", "kvConfig.json")),
    (r"config/delayOffset\.json" + TABLE, "config/delayOffset.json", SOMETIMES),
    (r"config/timercheck", "config/timercheck", RAMJET),
    (r"abort\.bak|checkpoint\.bak|compaction/position-checkpoint\.bak|config/[\w.]+", None, REFERENCE),
    (r"compaction/compactionLog/[^/]+/\d+/compacting/.*", "compaction/compactionLog", SOMETIMES),
    (r"compaction/compactionCq/[^/]+/\d+/compacting/.*", "compaction/compactionCq", SOMETIMES),
    (r"(set-aside|graveyard)/.*|.*\.(tmp|damaged)", None, SOMETIMES),
]


def row_of(path):
    return next((row for row in ROWS if re.fullmatch(row[0], path)), None)


def files_below(store):
    store = Path(store)
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


def expect_known_files(store):
    """Every file in the directory has its row."""
    unknown = [path for path in files_below(store) if row_of(path) is None]
    assert not unknown, "no row in tests/lib/store_files.py, and no damage in tests/crash/test_flip.py: %s" % unknown


def kind_of(path):
    kind = row_of(path)[1]
    if path.startswith("config/"):
        return path
    return kind or "/".join(path.split("/")[:2 if path.startswith("compaction/") else 1])


def kinds_of_files(store):
    """The kinds of the files that lie there, as crash_flip names them."""
    return {kind_of(path) for path in files_below(store)}


def missing_kinds(store, end=""):
    """The rows that say that a directory of Ramjet's that ended like this has a file, and it has none."""
    rows = {row_of(path) for path in files_below(store)}
    return [row[0] for row in ROWS if row[2] in (RAMJET, "ramjet " + end) and row not in rows]
