"""The rows of the table, each a function of the run; ROWS lists them in the order they are taken: what fills
the stores comes last and on one pair of brokers, since a new pair begins with empty ones.
"""
import sys
import time

from relay import Relay
from table import at_least, at_most, count, duration, mebibytes, megabytes, percent, plain, times

KIB = 1024

ONE_AT_A_TIME = "send 1 KiB, one at a time"
OPEN_LOOP = "open loop at"


def figure(summaries, target, key):
    """A figure of a target; None when it was not measured or is not known."""
    value = summaries.get(target, {}).get(key)
    return None if value is None or value < 0 else value


def median(values):
    return sorted(values)[len(values) // 2]


def three(summaries, key):
    """The figure of echo, reference and Ramjet, as keyword arguments of Table.add."""
    return {"floor": figure(summaries, "echo", key), "reference": figure(summaries, "reference", key),
            "ramjet": figure(summaries, "ramjet", key)}


def footprint(run):
    """Of brokers of its own: what is measured is a process that has done nothing. It needs no core for itself, so it is
    taken while another row waits."""
    runs = {}
    for broker in run.fleet.started(run.fleet.make("idle")):
        broker.kill()
        runs[broker.name] = run.start_runs(f"{broker.name}, empty store", broker.command_alone(broker.home / "alone"),
                                           broker.address, "--runs", 3 if broker.target == "ramjet" else 1)
        broker.close()
    of = lambda name, key: median([r[key] for r in runs[name]]) if name in runs else None
    pair = lambda key: {"ramjet": of("ramjet", key), "reference": of("reference", key)}
    scaled = lambda key, by: {k: times(by, v) for k, v in pair(key).items()}
    memory, cpu = scaled("resident_kib", KIB), pair("cpu_percent")
    run.table.add(11, "idle, resident memory", mebibytes, **memory,
                  checks=[at_most("<= 16 MiB", memory["ramjet"], 16 * KIB * KIB)])
    run.table.add(11, "idle, percent of a core", plain, **cpu, checks=[at_most("<= 0.1 %", cpu["ramjet"], 0.1)])
    first = pair("first_send_ns")
    run.table.add(9, "first send, empty store", duration, **first, checks=[at_most("<= 500 ms", first["ramjet"], 0.5e9)])


def send_one_at_a_time(run):
    run.warm_up("async")
    got = run.scenario("send", "async", ONE_AT_A_TIME, "--size", KIB, "--warmup", 2000)
    for key, label, factor, part in (("p50_ns", "p50", 1.3, 4), ("p99_ns", "p99", 1.5, 4), ("p99_9_ns", "p99.9", 2, None)):
        v = three(got, key)
        checks = [at_most(f"<= {factor} floor", v["ramjet"], times(factor, v["floor"]))]
        if part:
            checks.append(at_most(f"<= ref./{part}", v["ramjet"], times(1 / part, v["reference"])))
        run.table.add(1, f"send 1 KiB, {label}", duration, **v, checks=checks)


def throughput(run):
    """Also finds the reference's peak, from which row 2 takes its rate."""
    for size, label, of_floor, of_reference in ((128, "128 B", 0.7, 10), (KIB, "1 KiB", 0.45, 5)):
        for header, cpu_part in (("json", 12), ("binary", 25)):
            got = run.scenario("send", "async", f"{label}, 8 x 64, {header} headers", "--size", size, "--header", header,
                               "--connections", 8, "--outstanding", 64, "--seconds", 1, "--echo-keep", "--disk", run.directory)
            rate, cpu = three(got, "messages_per_s"), three(got, "cpu_ns_per_message")
            if size == KIB and rate["reference"]:
                run.reference_peak = max(run.reference_peak or 0, rate["reference"])
            run.table.add(3, f"{label} 8x64 {header}, messages/s", count, **rate,
                          checks=[at_least(f">= {of_floor:.0%} floor", rate["ramjet"], times(of_floor, rate["floor"])),
                                  at_least(f">= {of_reference}x ref.", rate["ramjet"], times(of_reference, rate["reference"]))])
            # the same with what nobody who stores can leave out: pages that were not there
            kept = figure(got, "echo-keep", "messages_per_s")
            run.table.add(3, "  with new pages in the floor", count, rate["ramjet"], floor=kept,
                          checks=[at_least(f">= {of_floor:.0%}", rate["ramjet"], times(of_floor, kept))])
            run.table.add(3, f"{label} 8x64 {header}, CPU/message", duration, **cpu,
                          checks=[at_most(f"<= ref./{cpu_part}", cpu["ramjet"], times(1 / cpu_part, cpu["reference"]))])
            run.table.add(3, "  with new pages in the floor", duration, cpu["ramjet"],
                          floor=figure(got, "echo-keep", "cpu_ns_per_message"))


def open_loop(run):
    rate = int(run.reference_peak / 2) if run.reference_peak else run.options.rate
    length = ["--rounds", 5, "--seconds", 120] if run.options.long else ["--seconds", 3]
    report = run.report("send", "rolling", f"{OPEN_LOOP} {rate}/s, 1 KiB", "--size", KIB, "--rate", rate,
                        "--connections", 8, "--outstanding", 256, "--warmup", run.options.warmup, *length)
    got = {t["name"]: t["summary"] for t in report["targets"]}
    v = three(got, "p99_99_ns")
    run.table.add(2, f"open loop {rate}/s, p99.99", duration, **v,
                  checks=[at_most("<= 3 floor", v["ramjet"], times(3, v["floor"]))])
    v = three(got, "p99_9_ns")
    run.table.add(2, f"open loop {rate}/s, p99.9", duration, **v,
                  checks=[at_most("<= ref./10", v["ramjet"], times(0.1, v["reference"]))])
    run.table.add(2, "open loop, within 1 ms", percent, **three(got, "within_1ms"))
    net = {t["name"]: net_of_stalls(t) for t in report["targets"]}
    pick = lambda i: {"floor": net["echo"][i], "ramjet": net["ramjet"][i],
                      "reference": net["reference"][i] if "reference" in net else None}
    run.table.add(2, "  net of the machine's stalls", percent, **pick(0),
                  checks=[at_least(">= 99.999 %", net["ramjet"][0], 0.99999)])
    run.table.add(2, "open loop, maximum net of stalls", duration, **pick(1),
                  checks=[at_most("<= 10 ms", net["ramjet"][1], 10e6)])
    v = three(got, "refused")
    run.table.add(2, "open loop, refused", count, **v, checks=[at_most("none", v["ramjet"], 0)])
    for i, label in enumerate(("begun", "removed")):
        run.table.add(2, f"  log files {label} meanwhile", count, **{b.name: b.log_files()[i] for b in run.fleet.brokers})


def net_of_stalls(target):
    """(fraction within 1 ms, maximum) without what the probe's own lateness explains: a stall of t seconds meets
    rate * t messages and makes each later by at most t."""
    due = over = 0
    worst = 0
    for r in target["rounds"]:
        due += r["due"]
        slow = r["due"] * (1 - r["within_1ms"])
        stalled_s = r["stall_over_1ms_ns"] / 1e9
        over += max(0, slow - stalled_s * r["messages_per_s"])
        worst = max(worst, r["max_ns"] - r["stall_max_ns"])
    return (1 - over / due if due else 0, max(worst, 0))


def large_bodies(run):
    report = run.report("send", "async", "64 KiB bodies, 4 x 4", "--size", 64 * KIB, "--connections", 4,
                        "--outstanding", 4, "--seconds", 1, "--rounds", 3, "--disk", run.directory)
    got = {t["name"]: t["summary"] for t in report["targets"]}
    loopback = figure(got, "echo", "messages_per_s") * 64 * KIB
    disk = report["disk"]["write_bytes_per_s"]
    floor = min(loopback, disk, report["disk"]["memcpy_bytes_per_s"])
    v = {**three(got, "bytes_per_s"), "floor": floor}
    run.table.add(4, "64 KiB bodies, bytes/s", megabytes, **v,
                  checks=[at_least(">= 80 % of the least floor", v["ramjet"], 0.8 * floor)])
    # the same with what no log can leave out: pages that the page cache does not hold yet
    v["floor"] = min(floor, report["disk"]["growing_bytes_per_s"])
    run.table.add(4, "  with new pages in the floor", megabytes, **v,
                  checks=[at_least(">= 80 %", v["ramjet"], 0.8 * v["floor"])])


def deliver(run):
    got = run.scenario("deliver", "async", "produce to long poll, 1 KiB at 1000/s", "--size", KIB, "--rate", 1000)
    for key, label, factor, part in (("p50_ns", "p50", 2.5, 5), ("p99_ns", "p99", None, 5), ("p99_9_ns", "p99.9", 4, None)):
        v = three(got, key)
        checks = [at_most(f"<= {factor} floor", v["ramjet"], times(factor, v["floor"]))] if factor else []
        checks += [at_most(f"<= ref./{part}", v["ramjet"], times(1 / part, v["reference"]))] if part else []
        run.table.add(6, f"produce to long poll, {label}", duration, **v, checks=checks)


def goodput(report, name):
    """Of the peak: in each round the mean of what was before and behind the overload; the middle of the rounds."""
    rates = {t["name"]: [r["messages_per_s"] for r in t["rounds"]] for t in report["targets"]}
    peaks = [(before + behind) / 2 for before, behind in zip(rates[f"{name} peak"], rates[f"{name} peak again"])]
    return median([got / max(1, peak) for got, peak in zip(rates[f"{name} overload"], peaks)])


def overload(run):
    """The floor is an echo that keeps what it gets: a bare one never runs out of pages."""
    seconds = 60 if run.options.long else 2
    report = run.report("overload", "async", "three times the peak", "--size", KIB, "--connections", 8,
                        "--outstanding", 64, "--rounds", 3, "--seconds", seconds, "--echo-keep", "--disk", run.directory, echo=False)
    got = {t["name"]: t["summary"] for t in report["targets"]}
    names = [broker.name for broker in run.fleet.brokers]
    pick = lambda of: {"ramjet": of("ramjet"), "reference": of("reference") if "reference" in names else None}
    of_peak = pick(lambda n: goodput(report, n))
    run.table.add(10, "overload, goodput of the peak", percent, **of_peak, floor=goodput(report, "echo-keep"),
                  checks=[at_least(">= 95 %", of_peak["ramjet"], 0.95)])
    echo_p99 = figure(got, "echo-keep peak", "p99_ns")
    refusal = pick(lambda n: figure(got, f"{n} overload", "refusal_p99_ns"))
    if refusal["ramjet"] is not None:
        run.table.add(10, "overload, refusal p99", duration, **refusal, floor=echo_p99,
                      checks=[at_most("<= 2 floor", refusal["ramjet"], times(2, echo_p99))])
    accepted = pick(lambda n: figure(got, f"{n} overload", "p99_ns"))
    normal = pick(lambda n: figure(got, f"{n} at 70 %", "p99_ns"))
    run.table.add(10, "overload, accepted p99", duration, **accepted, floor=normal["ramjet"],
                  checks=[at_most("<= 2x at 70 % load", accepted["ramjet"], times(2, normal["ramjet"]))])
    beside = pick(lambda n: figure(got, f"{n} beside it", "p99_ns"))
    run.table.add(10, "overload, innocent connection p99", duration, **beside, floor=figure(got, "echo-keep beside it", "p99_ns"),
                  checks=[at_most("<= 10 ms", beside["ramjet"], 10e6)])
    for label, last, checked in (("back to normal after", False, True), ("  the last stall behind it ended", True, False)):
        back = pick(lambda n: time_to_normal(report, n, "after", last))
        run.table.add(10, f"overload, {label}", duration, **back, floor=time_to_normal(report, "ramjet", "at 70 %", last),
                      checks=[at_most("<= 100 ms", back["ramjet"], 100e6)] if checked else [])


NORMAL_MS = 100


def time_to_normal(report, name, part, last):
    """From the end of the overload until NORMAL_MS in a row have a p99 of at most twice the normal one, or (`last`) until
    the last slot of the round above that ends; the middle of the rounds. The same of the load before the overload is
    the floor: stalls that have nothing to do with it."""
    targets = {t["name"]: t for t in report["targets"]}
    limit = 2 * max(targets[f"{name} at 70 %"]["summary"]["p99_ns"], 1e6)
    times_ns = []
    for r in targets[f"{name} {part}"]["rounds"]:
        slots = r["series"]
        length_ms = slots[1][0] - slots[0][0] if len(slots) > 1 else NORMAL_MS
        normal_from = 0
        for start_ms, answers, _, _, p99_ns, *_ in slots:
            is_normal = answers > 0 and p99_ns <= limit
            if is_normal and not last and start_ms + length_ms - normal_from >= NORMAL_MS:
                break
            if not is_normal:
                normal_from = start_ms + length_ms
        times_ns.append(normal_from * 1e6)
    return median(times_ns)


# Each file of a queue is a mapping of the reference's, slow to make, and a process may have 65,530 of them.
REFERENCE_TOPICS = 1000


def many_topics(run):
    """One topic and many in turn, so that whatever the machine does, and where its free memory comes from, meets both."""
    topics = 100000 if run.options.long else 10000
    load = ["--size", KIB, "--connections", 8, "--outstanding", 64, "--seconds", 1]
    run.scenario("send", "async", "1 topic", *load, "--topic", "Many", "--rounds", 1, "--warmup", run.options.warmup, echo=False)
    before = {}
    for broker in run.fleet.brokers:
        if broker.target == "ramjet":
            await_rest(broker)  # what the load itself took is given back then
        before[broker.name] = least_memory(broker)
    rounds, got, counts, ended = {}, {}, {}, {}
    for broker in list(run.fleet.brokers):
        counts[broker.name] = count_of = topics if broker.target == "ramjet" else min(topics, REFERENCE_TOPICS)
        name, how = f"{broker.name}, {count_of} topics x 8 queues", [*load, "--topic", "Many", "--topics", count_of]
        run.scenario("send", "async", name, *how, "--rounds", 1, "--warmup", 16 * count_of, brokers=[broker], echo=False)
        if broker.target == "ramjet":
            await_rest(broker)  # each queue's file is there then
        report = run.report("topics", "async", name, *how, "--pause-ms", 2000, brokers=[broker], echo=False)
        got.update({t["name"]: t["summary"] for t in report["targets"]})
        rounds.update({t["name"]: t["rounds"] for t in report["targets"]})
        ended[broker.name] = time.monotonic()
    run.take_waiting(footprint)
    for key, label, form, check in (
            ("messages_per_s", "messages/s", count, lambda a, b: at_least(">= 95 % of 1 topic", b, times(0.95, a))),
            ("p99_ns", "p99", duration, lambda a, b: at_most("<= 1.3x 1 topic", b, times(1.3, a)))):
        one, many = figure(got, "ramjet one topic", key), figure(got, "ramjet many topics", key)
        run.table.add(7, f"{topics} topics, {label} (floor: 1 topic)", form, many, floor=one,
                      reference=figure(got, "reference many topics", key), checks=[check(one, many)])
        # a machine changes more from round to round than within a pair
        pairs = zip(rounds["ramjet one topic"], rounds["ramjet many topics"])
        ratio = median([many[key] / one[key] for one, many in pairs])
        run.table.add(7, f"  {label}, middle of the pairs' ratios", plain, ratio, checks=[check(1, ratio)])
    grown = {b.name: max(0, idle_memory(b, ended[b.name]) - before[b.name]) / (counts[b.name] * 8) for b in run.fleet.brokers}
    run.table.add(7, f"{topics} topics, bytes of memory per idle queue", count, grown["ramjet"], reference=grown.get("reference"),
                  checks=[at_most("<= 200", grown["ramjet"], 200)])


def await_rest(broker, seconds=20):
    """Until the broker has little to do: Ramjet makes the files of new queues behind the answers."""
    for _ in range(seconds):
        before = broker.cpu_seconds()
        time.sleep(1)
        if broker.cpu_seconds() - before < 0.1:
            return


IDLE_S = 120


def idle_memory(broker, ended):
    """What remains of queues that nobody uses: Ramjet has their entries in the files within seconds, and gives back what
    the last minute's figures took when that minute is over."""
    time.sleep(max(0, ended + IDLE_S - time.monotonic()))
    return least_memory(broker)


def least_memory(broker):
    least = broker.own_memory_bytes()
    for _ in range(3):
        time.sleep(1)
        least = min(least, broker.own_memory_bytes())
    return least


def cold_reads(run):
    """The stores are filled, made cold and read by four groups beside sends, in turn."""
    mib = run.options.fill_mib or (10 * 1024 + 512 if run.options.long else 2048)
    load = ["--size", KIB, "--rate", 2000, "--outstanding", 256, "--rounds", 1, "--seconds", 3]
    for broker in run.fleet.pair("async"):
        run.fill(broker, "OldData", mib)
    rounds = {broker.name: [] for broker in run.fleet.brokers}
    disk = {broker.name: [] for broker in run.fleet.brokers}
    for _ in range(3):
        for broker in list(run.fleet.brokers):
            broker.kill()
            broker.forget_cached_log()
            disk[broker.name].append(broker.disk_read_rate(4))
            broker.forget_cached_log()
            broker.start()
            report = run.report("read", "async", f"{broker.name}: four groups read {mib} MiB of old data", *load,
                                "--readers", 4, "--read-topic", "OldData", brokers=[broker], echo=False)
            rounds[broker.name].append({t["name"].removeprefix(broker.name): t["summary"] for t in report["targets"]})
    pick = lambda of: {"ramjet": median([of(r) for r in rounds["ramjet"]]),
                       "reference": median([of(r) for r in rounds["reference"]]) if "reference" in rounds else None}
    alone, beside = pick(lambda r: r[""]["p99_9_ns"]), pick(lambda r: r[" with readers"]["p99_9_ns"])
    run.table.add(8, "send p99.9 with cold readers (floor: without)", duration, **beside, floor=alone["ramjet"],
                  checks=[at_most("<= 1.2x without", beside["ramjet"], times(1.2, alone["ramjet"]))])
    read = pick(lambda r: r[" readers"]["bytes_per_s"])
    floor_alone, floor_beside = echo_beside_relay(run, load, read["ramjet"])
    run.table.add(8, "  an echo beside as many bytes (floor: without)", duration, floor_beside, floor=floor_alone)
    run.table.add(8, "  with as many bytes in the floor", duration, beside["ramjet"], floor=floor_beside,
                  checks=[at_most("<= 1.2x", beside["ramjet"], times(1.2, floor_beside))])
    parts = [r[" readers"]["bytes_per_s"] / floor for r, floor in zip(rounds["ramjet"], disk["ramjet"])]
    run.table.add(8, "cold readers, bytes/s", megabytes, **read, floor=median(disk["ramjet"]),
                  checks=[at_least(">= 70 % of the disk", median(parts), 0.7)])


def echo_beside_relay(run, load, bytes_per_s):
    """p99.9 of the same sends to an echo, without and with what the readers' bytes cost the machine whoever sends them."""
    alone, beside = [], []
    broker = run.fleet.brokers[0]
    for other in run.fleet.brokers:
        other.kill()
    for _ in range(3):
        broker.forget_cached_log()
        alone.append(run.floor_alone("an echo without readers", *load))
        with Relay(broker.log_paths(), 4, bytes_per_s):
            beside.append(run.floor_alone("an echo beside as many bytes", *load))
    return tuple(median([figure(got, "echo", "p99_9_ns") for got in of]) for of in (alone, beside))


def restart(run):
    """Of the stores that the rows before have filled."""
    first, gib = {}, 0
    for broker in run.fleet.pair("async"):
        if broker.log_bytes() < run.options.fill_mib * KIB * KIB:
            run.fill(broker, "OldData", run.options.fill_mib)
        broker.kill()
        gib = max(gib, broker.log_bytes() / 2 ** 30)
        # only the first run finds what was killed in earnest, so the slowest counts
        try:
            first[broker.name] = max(r["first_send_ns"] for r in run.start_runs(
                f"{broker.name}, after SIGKILL", broker.shell_command(), broker.address, "--runs", 3, "--kill",
                "--settle-ms", 0, "--idle", 1))
        except RuntimeError as error:
            if broker.target == "ramjet":
                raise
            print(f"{broker.name} did not come back after SIGKILL: {error}\n{broker.complaints()}", file=sys.stderr)
    run.table.add(9, f"first send after SIGKILL, {gib:.1f} GiB", duration, first["ramjet"], reference=first.get("reference"),
                  checks=[at_most("<= 500 ms", first["ramjet"], 0.5e9)])


def sync_flush(run):
    for producers, part in ((1, 4), (16, 8), (64, 8)):
        report = run.report("send", "sync", f"sync flush, {producers} producers, 1 KiB", "--size", KIB, "--connections", producers,
                            "--seconds", 1, "--disk", run.directory, "--echo-sync", "--warmup", 2000 if producers == 1 else 0)
        got = {t["name"]: t["summary"] for t in report["targets"]}
        sync_ns = report["disk"]["fdatasync_p50_ns"]
        p50, rate, p99 = three(got, "p50_ns"), three(got, "messages_per_s"), three(got, "p99_ns")
        echo_p50, p50["floor"] = p50["floor"], sync_ns
        run.table.add(5, f"sync flush, {producers} producers, p50", duration, **p50,
                      checks=[at_most("<= 1.3 fdatasync + echo", p50["ramjet"], 1.3 * sync_ns + echo_p50)])
        rate["floor"] = producers * 1e9 / sync_ns
        run.table.add(5, f"sync flush, {producers} producers, messages/s", count, **rate,
                      checks=[at_least(">= 85 % floor", rate["ramjet"], 0.85 * rate["floor"]),
                              at_least(f">= {part}x ref.", rate["ramjet"], times(part, rate["reference"]))])
        run.table.add(5, f"sync flush, {producers} producers, messages/s (floor: an echo that syncs)", count, rate["ramjet"],
                      floor=figure(got, "echo-sync", "messages_per_s"))
        p99["floor"] = report["disk"]["fdatasync_p99_ns"]
        run.table.add(5, f"sync flush, {producers} producers, p99", duration, **p99,
                      checks=[at_most("<= ref./5", p99["ramjet"], times(0.2, p99["reference"]))])
    written = {name: written_per_byte(got[name]) for name in got}
    run.table.add(5, "device bytes per payload byte, 64 producers", plain, written["ramjet"], reference=written.get("reference"),
                  checks=[at_most("<= 2", written["ramjet"], 2)])


def written_per_byte(summary):
    payload = summary["bytes_per_s"]
    return None if summary["device_bytes"] < 0 or not payload else summary["device_bytes"] / payload


def soak(run):
    """Long form only: p99.9 of the last sixth against the second one (the first is warming up). The log rolls and goes
    as in row 2: hours of such a load are more than a disk."""
    rate = int(run.reference_peak / 2) if run.reference_peak else run.options.rate
    minutes = run.options.soak_minutes
    report = run.report("send", "rolling", f"soak of {minutes} min at {rate}/s", "--size", KIB, "--rate", rate, "--connections", 8,
                        "--outstanding", 256, "--rounds", minutes, "--seconds", 60, "--pause-ms", 0, echo=False,
                        brokers=[b for b in run.fleet.pair("rolling") if b.target == "ramjet"])
    rounds = report["targets"][0]["rounds"]
    part = max(1, len(rounds) // 6)
    early_and_late = lambda key: [median([r[key] for r in of]) for of in (rounds[part:2 * part] or rounds, rounds[-part:])]
    early, late = early_and_late("p99_9_ns")
    run.table.add(12, f"p99.9 at the end of {minutes} min (floor: early)", duration, late, floor=early,
                  checks=[at_most("<= 1.1x early", late, 1.1 * early)])
    early, late = early_and_late("stall_over_1ms_ns")
    run.table.add(12, "  stalls of the machine, a minute (floor: early)", duration, late, floor=early)
    run.table.add(12, "  refused", count, figure({"ramjet": report["targets"][0]["summary"]}, "ramjet", "refused"))


# number, title, function, seconds it takes in the short form, only in the long form
ROWS = [
    (1, "one at a time", send_one_at_a_time, 60, False),
    (3, "throughput", throughput, 105, False),
    (6, "produce to long poll", deliver, 45, False),
    (10, "overload", overload, 65, False),
    (4, "large bodies", large_bodies, 25, False),
    (2, "open loop", open_loop, 80, False),  # it and the next have brokers of their own
    (12, "soak", soak, 0, True),
    (5, "sync flush", sync_flush, 100, False),
    (8, "cold reads", cold_reads, 155, False),
    (7, "many topics", many_topics, 175, False),  # behind row 8: the reference takes no 2 GiB after it
    (9, "restart", restart, 60, False),
    (11, "footprint", footprint, 90, False),  # row 7 takes it while it waits
]
