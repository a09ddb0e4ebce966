"""The verdict on a soak and its plot, from soak.jsonl alone."""

import json
import statistics
from pathlib import Path

WIDTH, HEIGHT, LEFT, GAP = 900, 110, 70, 34
YOUNG_S = 90  # a process that lives less long is not compared
COLOURS = ("#1f6fb2", "#c2571a", "#4b8b3b", "#7d4f9e")


class Run:
    """The lines of a run, by type."""

    def __init__(self, path):
        self.lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        self.begin = next(line for line in self.lines if line["type"] == "begin")
        self.samples, self.minutes, self.faults, self.violations, self.ends = (
            [line for line in self.lines if line["type"] == kind]
            for kind in ("sample", "minute", "fault", "violation", "end"))
        self.end_s = self.lines[-1]["t"]
        self._give_ages()

    def _give_ages(self):
        """How long the process of each sample has been seen."""
        since = {}
        for line in self.samples:
            line["age"] = line["t"] - since.setdefault(line["pid"], line["t"])

    def lives(self):
        """The samples of each process that lived long enough, without its first while."""
        found = {}
        for line in self.samples:
            if line["age"] >= YOUNG_S:
                found.setdefault(line["pid"], []).append(line)
        return [life for life in found.values() if len(life) >= 6]

    def calm_minutes(self):
        return [line for line in self.minutes if not line["storm"]]

    def latency(self, name, which):
        """(t, ms) of each minute that had some."""
        return [(line["t"], line["latency"][name][which]) for line in self.minutes
                if line["latency"].get(name, {}).get("n", 0) >= 20]


def thirds(values):
    """Medians of the first and of the last third."""
    part = max(len(values) // 3, 1)
    return statistics.median(values[:part]), statistics.median(values[-part:])


def compare(name, values, ratio, slack):
    """A line of the verdict: the last third is at most `ratio` times the first, and `slack`."""
    if len(values) < 6:
        return None, "%-34s too few samples (%d)" % (name, len(values))
    first, last = thirds(values)
    good = last <= first * ratio + slack
    return good, "%-34s first third %10.1f   last third %10.1f   %s" % (name, first, last, "ok" if good else "GROWN")


def judge_growth(run):
    """Between processes of about the same age, and within the longest life."""
    yield compare("descriptors", [line["fds"] for line in run.samples if line["age"] >= YOUNG_S], 1.05, 8)
    yield compare("threads", [line["threads"] for line in run.samples if line["age"] >= YOUNG_S], 1.0, 1)
    yield compare("anonymous memory, KiB", [line["anon_kib"] for line in run.samples if line["age"] >= YOUNG_S],
                  1.15, 2048)
    lives = run.lives()
    if lives:
        longest = max(lives, key=len)
        yield compare("the same, in its longest life", [line["anon_kib"] for line in longest], 1.15, 2048)
    settled = [line for line in run.samples if line["t"] >= run.end_s / 6]
    yield compare("files of the store", [line["files"] for line in settled], 1.2, 20)
    yield compare("fill of the disk, percent", [line["disk_percent"] for line in settled], 1.2, 10)


def judge_latency(run):
    """A class is worse when it grew by half and by half more than the floor beside it did."""
    minutes = [line for line in run.minutes
               if all(line["latency"].get(name, {}).get("n", 0) >= 20 for name in ("sync", "async", "echo", "disk"))]
    if len(minutes) < 6:
        yield None, "latency: too few minutes (%d)" % len(minutes)
        return
    for which in ("p50", "p99"):
        for name, floors in (("async", ("echo",)), ("sync", ("echo", "disk"))):
            first, last = thirds([line["latency"][name][which] for line in minutes])
            beside = [thirds([line["latency"][floor][which] for line in minutes]) for floor in floors]
            floor_ratio = max(after / max(before, 0.001) for before, after in beside)
            good = last <= first * 1.5 or last / first <= 1.5 * floor_ratio
            yield good, "%-34s first third %10.2f   last third %10.2f   floor grew by %.2f   %s" % (
                "%s %s, ms" % (name, which), first, last, floor_ratio, "ok" if good else "WORSE")


def judge(run):
    """Lines of text, and whether all is well."""
    counts = (run.ends or run.minutes or [{"counts": {}}])[-1]["counts"]
    delivered = sum(value for name, value in counts.items() if name.startswith("delivered_"))
    acked = sum(value for name, value in counts.items() if name.startswith("acked_"))
    expired = sum(value for name, value in counts.items() if name.startswith("expired_"))
    lines = ["%.0f s of %d wanted; store on %s, %d MiB" % (run.end_s, run.begin["seconds"], run.begin["disk"],
                                                           run.begin["disk_mib"]),
             "acknowledged %d, delivered %d, gone by retention before they were delivered %d" % (
                 acked, delivered, expired),
             "faults: " + ", ".join("%s %d" % (name[7:], counts[name]) for name in sorted(counts)
                                    if name.startswith("faults_"))
             + ", of these kills on a full disk: %d" % counts.get("kills_on_a_full_disk", 0),
             "violations: %d" % len(run.violations)]
    good = not run.violations
    if run.ends and run.ends[-1]["error"]:
        lines.append("the soak itself failed: %s" % run.ends[-1]["error"])
        good = False
    if not run.ends:
        lines.append("NOT ENDED: the run goes on, or was broken off")
        good = False
    for is_good, text in list(judge_growth(run)) + list(judge_latency(run)):
        good = good and is_good is not False
        lines.append(text)
    lines += ["violation: %s" % json.dumps(line)[:300] for line in run.violations[:10]]
    lines.append("VERDICT: %s" % ("good" if good else "NOT GOOD"))
    return lines, good


# ---- the plot ----------------------------------------------------------------------------------


def panel(run, index, title, series, is_log=False):
    """One of the stacked charts. series: name -> [(t, value)]."""
    import math
    top = 30 + index * (HEIGHT + GAP)
    values = [value for points in series.values() for _, value in points]
    if not values:
        return ""
    high, low = max(values) * 1.05 or 1, min(values) / 1.2 if is_log else 0
    scale = math.log if is_log else float
    low = max(low, 0.001) if is_log else 0
    bottom, span = scale(low) if is_log else 0, (scale(high) - scale(low)) if is_log else high
    x = lambda t: LEFT + t / run.end_s * (WIDTH - LEFT - 10)
    y = lambda value: top + HEIGHT - (scale(max(value, low)) - bottom) / (span or 1) * HEIGHT
    parts = ['<rect x="%d" y="%d" width="%d" height="%d" class="f"/>' % (LEFT, top, WIDTH - LEFT - 10, HEIGHT),
             '<text x="%d" y="%d">%s</text>' % (LEFT, top - 6, title),
             '<text x="%d" y="%d" class="r">%.4g</text>' % (LEFT - 4, top + 10, high),
             '<text x="%d" y="%d" class="r">%.3g</text>' % (LEFT - 4, top + HEIGHT, low)]
    for number, (name, points) in enumerate(series.items()):
        path = " ".join("%.1f,%.1f" % (x(t), y(value)) for t, value in points)
        parts.append('<polyline points="%s" stroke="%s"/>' % (path, COLOURS[number % len(COLOURS)]))
        parts.append('<text x="%d" y="%d" fill="%s">%s</text>' % (WIDTH - 400 + 100 * number, top - 6,
                                                                  COLOURS[number % len(COLOURS)], name))
    return "\n".join(parts)


def fault_marks(run, panels):
    marks = {"kill": "#d33", "term": "#393", "stop": "#bbb", "full": "#e90"}
    height = panels * (HEIGHT + GAP) - GAP
    for line in run.faults:
        x = LEFT + line["t"] / run.end_s * (WIDTH - LEFT - 10)
        yield '<line x1="%.1f" x2="%.1f" y1="30" y2="%d" stroke="%s" stroke-width="0.7" opacity="0.5"/>' % (
            x, x, 30 + height, marks[line["what"]])


def plot(run):
    of = lambda key, scale=1: [(line["t"], line[key] / scale) for line in run.samples]
    charts = [
        ("latency of sends by minute, ms: p99", {name: run.latency(name, "p99") for name in
                                                 ("async", "sync", "echo", "disk")}, True),
        ("the same: median", {name: run.latency(name, "p50") for name in ("async", "sync", "echo", "disk")}, True),
        ("anonymous memory of the broker, MiB", {"anon": of("anon_kib", 1024)}, False),
        ("descriptors, threads", {"descriptors": of("fds"), "threads": of("threads")}, False),
        ("files of the store; its disk, percent", {"files": of("files"), "percent": of("disk_percent")}, False),
        ("load of the machine", {"load": of("load")}, False)]
    body = [panel(run, index, *chart) for index, chart in enumerate(charts)]
    height = 30 + len(charts) * (HEIGHT + GAP) + 16
    note = "%.0f minutes; lines across: red SIGKILL, green SIGTERM, grey SIGSTOP, orange full disk" % (run.end_s / 60)
    return """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<style>.f{fill:none;stroke:#ccc}polyline{fill:none;stroke-width:1.2}.r{text-anchor:end}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
%s
%s
<text x="%d" y="%d">%s</text>
</svg>
""" % (WIDTH, height, "\n".join(fault_marks(run, len(charts))), "\n".join(body), LEFT, height - 8, note)


def write(directory):
    """Prints the verdict, writes it and the plot; 0 when all is well."""
    run = Run(Path(directory) / "soak.jsonl")
    lines, good = judge(run)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    (Path(directory) / "verdict.txt").write_text(text, encoding="utf-8")
    (Path(directory) / "soak.svg").write_text(plot(run), encoding="utf-8")
    return 0 if good else 1
