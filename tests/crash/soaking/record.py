"""What the soak writes down as it goes: a JSON object a line, in soak.jsonl.

    begin    the settings of the run
    sample   every 10 s: the broker's memory, descriptors, threads; files and bytes of its store; fill of the disk
    minute   latencies of the minute by class, in ms, without what was due during faults; counters so far
    fault    kind, how long it lasted, how long until a send was answered with 0 again
    violation, end
"""

import json
import os
import time
from pathlib import Path


class Recorder:
    """Appends lines; each is on its way to the file before the call returns."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.begin = time.monotonic()

    def note(self, kind, /, **more):
        line = {"type": kind, "t": round(time.monotonic() - self.begin, 2)}
        line.update(more)
        if kind == "violation":
            print("VIOLATION %s" % json.dumps(line), flush=True)
        self.file.write(json.dumps(line) + "\n")


def percentiles(values):
    """Of latencies in seconds: count and ms."""
    if not values:
        return {"n": 0}
    values.sort()
    at = lambda part: round(values[min(int(len(values) * part), len(values) - 1)] * 1000, 3)
    return {"n": len(values), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": round(values[-1] * 1000, 3)}


def process_state(pid):
    """Memory in KiB, descriptors, threads, CPU seconds of a process; None when it is gone."""
    try:
        status = dict(line.split(":", 1) for line in
                      Path("/proc/%d/status" % pid).read_text(encoding="utf-8").splitlines())
        stat = Path("/proc/%d/stat" % pid).read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return {"anon_kib": int(status["RssAnon"].split()[0]), "rss_kib": int(status["VmRSS"].split()[0]),
                "threads": int(status["Threads"]), "fds": len(os.listdir("/proc/%d/fd" % pid)),
                "cpu_s": (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")}
    except (OSError, KeyError, ValueError):
        return None


def store_state(store):
    """How many files there are below the store, and what they take on the disk."""
    files = blocks = 0
    for where, _, names in os.walk(store):
        for name in names:
            try:
                blocks += os.lstat(os.path.join(where, name)).st_blocks
                files += 1
            except OSError:
                pass  # removed meanwhile
    return {"files": files, "store_mib": round(blocks / 2048, 1)}
