"""`ramjet bench` against a broker: what it says was delivered, delayed or lost is what happened.

A proxy between bench and broker holds back or swallows answers, so that the delays and losses are
known; time is only ever asserted from below.
"""

import json
import socket
import struct
import subprocess
import threading
import time

import pytest

import servers
from conftest import differs, max_offset

PULL, SEND = 11, 310


class Proxy:
    """Passes frames between bench and broker; answers to requests of `code` pass `meddle(n)` first,
    which may sleep, and are dropped when it gives False."""

    def __init__(self, broker_port, code, meddle):
        self.broker_port, self.code, self.meddle = broker_port, code, meddle
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.broker_port))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = set()
            for source, to, is_answer in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, to, asked, is_answer), daemon=True).start()

    def _pass(self, source, to, asked, is_answer):
        try:
            with source.makefile("rb") as frames:
                while True:
                    prefix = frames.read(4)
                    if len(prefix) < 4:
                        break
                    rest = frames.read(struct.unpack(">I", prefix)[0])
                    if self._may_pass(rest, asked, is_answer):
                        to.sendall(prefix + rest)
        except OSError:
            pass
        finally:
            for one in (source, to):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _may_pass(self, rest, asked, is_answer):
        length = struct.unpack(">I", rest[:4])[0] & 0xFFFFFF
        header = json.loads(rest[4:4 + length])
        if not is_answer:
            if header["code"] == self.code:
                asked.add(header["opaque"])
            return True
        if header["opaque"] not in asked:
            return True
        self.count += 1
        return self.meddle(self.count)

    def close(self):
        self.listener.close()


@pytest.fixture
def proxy(pair):
    opened = []

    def make(code, meddle):
        opened.append(Proxy(pair.broker.port, code, meddle))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(autouse=True)
def binary():
    """Against the reference, too, it is this program that measures."""
    if not servers.ramjet_binary().exists():
        pytest.skip("no binary at %s" % servers.ramjet_binary())


def bench(tmp_path, scenario, address, *arguments):
    """Runs a scenario for a round and gives its targets by name, with the report as text and page."""
    out, page = tmp_path / "report.json", tmp_path / "report.html"
    done = subprocess.run([servers.ramjet_binary(), "bench", scenario, "--broker", "b=" + address, "--json", out,
                           "--html", page, "--rounds", "1", "--seconds", "1", *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    report = json.loads(out.read_text())
    assert report["bench"] == scenario and "/*REPORT*/" not in page.read_text()
    return {t["name"]: t for t in report["targets"]}


def test_what_is_sent_is_delivered(pair, tmp_path, name, target):
    """Goal: each message sent is seen by the waiting consumer once, with a latency of its own."""
    got = bench(tmp_path, "deliver", pair.broker.address, "--topic", name(), "--rate", 200, "--timeout-ms", 30000)
    sent, delivered = got["b sends"]["summary"], got["b"]["summary"]
    count = sent["accepted"]
    assert count == differs(target, 200 - sent["refused"], 200, "a broker that has just started refuses now and then")
    assert (delivered["accepted"], delivered["lost"]) == (count, 0)
    assert sum(many for _, many in got["b"]["histogram"]) == count


def test_all_floors_are_measured_beside_the_broker(pair, tmp_path, name):
    """Goal: the echo, that which keeps and that which syncs are targets of their own, before the broker, and lose
    nothing."""
    got = bench(tmp_path, "send", pair.broker.address, "--topic", name(), "--connections", 4,
                "--echo", "--echo-keep", "--echo-sync", "--disk", tmp_path, "--timeout-ms", 60000)
    assert list(got) == ["echo", "echo-keep", "echo-sync", "b"]
    for floor in ("echo", "echo-keep", "echo-sync"):
        assert got[floor]["floor"] and got[floor]["summary"]["accepted"] > 0 and got[floor]["summary"]["lost"] == 0


def test_a_late_delivery_is_charged_to_the_delivery(pair, tmp_path, name, proxy):
    """Goal: a consumer's answers held back for 30 ms make deliveries late, not sends."""
    late = proxy(PULL, lambda n: time.sleep(0.03) is None)
    got = bench(tmp_path, "deliver", late.address, "--topic", name(), "--rate", 100, "--timeout-ms", 30000)
    assert got["b"]["summary"]["lost"] == 0
    assert got["b"]["summary"]["p50_ns"] >= 30e6
    assert got["b"]["histogram"][0][0] >= 30e6


def test_what_never_comes_is_lost(pair, tmp_path, name, proxy):
    """Goal: deliveries whose answers are swallowed are lost, and the sends are not."""
    deaf = proxy(PULL, lambda n: False)
    got = bench(tmp_path, "deliver", deaf.address, "--topic", name(), "--rate", 50, "--timeout-ms", 6000)
    assert got["b sends"]["summary"]["lost"] == 0
    assert (got["b"]["summary"]["accepted"], got["b"]["summary"]["lost"]) == (0, 50)


def test_every_hundredth_answer_lost(pair, tmp_path, name, proxy):
    """Goal: losses of sends are counted, and no others."""
    leaky = proxy(SEND, lambda n: n % 100 != 50)
    got = bench(tmp_path, "send", leaky.address, "--topic", name(), "--rate", 400, "--outstanding", 64,
                "--timeout-ms", 8000)
    assert (got["b"]["summary"]["accepted"], got["b"]["summary"]["lost"]) == (396, 4)


def test_readers_read_all_there_is(pair, tmp_path, broker, name):
    """Goal: readers find the messages that were there before, beside sends to another topic."""
    old = name("old")
    bench(tmp_path, "send", pair.broker.address, "--topic", old, "--queues", 2, "--messages", 300, "--seconds", 60)
    servers.wait_until(lambda: sum(max_offset(broker, old, q) for q in (0, 1)) == 300)
    got = bench(tmp_path, "read", pair.broker.address, "--topic", name("hot"), "--read-topic", old, "--queues", 2,
                "--readers", 2, "--rate", 20, "--timeout-ms", 30000)
    assert got["b readers"]["summary"]["accepted"] >= 300
    assert got["b readers"]["summary"]["bytes_per_s"] > 0
    for sends in ("b", "b with readers"):
        assert (got[sends]["summary"]["accepted"], got[sends]["summary"]["lost"]) == (20, 0)


def test_many_topics_are_made_and_used(pair, tmp_path, broker, name):
    """Goal: --topics makes so many and sends to every queue of each."""
    stem = name("many")
    got = bench(tmp_path, "send", pair.broker.address, "--topic", stem, "--topics", 12, "--queues", 4,
                "--messages", 96, "--seconds", 60)
    assert got["b"]["summary"]["accepted"] == 96
    for i in range(12):
        topic = "%s_%06d" % (stem, i)
        servers.wait_until(lambda t=topic: [max_offset(broker, t, q) for q in range(4)] == [2] * 4)


def test_one_topic_and_many_in_turn(pair, tmp_path, broker, name):
    """Goal: `topics` sends as many to one topic as to many, round by round."""
    stem = name("turns")
    got = bench(tmp_path, "topics", pair.broker.address, "--topic", stem, "--topics", 3, "--queues", 4,
                "--messages", 24, "--seconds", 60, "--rounds", 2)
    assert [got[part]["summary"]["accepted"] for part in ("b one topic", "b many topics")] == [48, 48]
    servers.wait_until(lambda: sum(max_offset(broker, stem, q) for q in range(4)) == 48)
    for i in range(3):
        servers.wait_until(lambda t="%s_%06d" % (stem, i): [max_offset(broker, t, q) for q in range(4)] == [4] * 4)


def test_many_topics_are_how_many():
    """Goal: `topics` without --topics is refused with the reason, before anything is measured."""
    done = subprocess.run([servers.ramjet_binary(), "bench", "topics", "--echo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False)
    assert (done.returncode, "topics needs --topics" in done.stdout) == (2, True)


def test_overload_has_its_six_figures(pair, tmp_path, name):
    """Goal: peak, normal load, overload, the innocent connection, the time after and the peak behind that are all
    measured, of the floor, too, and every message is accepted, refused or lost."""
    got = bench(tmp_path, "overload", pair.broker.address, "--topic", name(), "--connections", 2,
                "--outstanding", 8, "--factor", 150, "--timeout-ms", 20000, "--echo")
    parts = ("peak", "at 70 %", "overload", "beside it", "after", "peak again")
    assert list(got) == ["%s %s" % (who, part) for who in ("echo", "b") for part in parts]
    for part in got.values():
        s = part["summary"]
        assert s["due"] == s["accepted"] + s["refused"] + s["lost"] > 0
    assert got["b beside it"]["summary"]["due"] == 100


def test_a_burst_of_timers_and_those_beside_it(pair, tmp_path, name):
    """Goal: all of a burst due at one time and all sent beside it are delivered, none before its time."""
    got = bench(tmp_path, "burst", pair.broker.address, "--topic", name(), "--burst", 300, "--rate", 20,
                "--timeout-ms", 30000)
    for part, count in (("b", 20), ("b burst", 300)):
        s = got[part]["summary"]
        assert (s["due"], s["accepted"], s["refused"], s["lost"]) == (count, count, 0, 0)


def test_popped_messages_come_back_late_and_never_early(pair, tmp_path, name):
    """Goal: what is popped and not acknowledged comes back, and the time it was late is measured."""
    got = bench(tmp_path, "pop", pair.broker.address, "--topic", name(), "--rate", 20, "--invisible-ms", 1000,
                "--timeout-ms", 30000)
    s = got["b"]["summary"]
    assert s["accepted"] >= 20 and (s["refused"], s["lost"]) == (0, 0)


def test_a_broker_that_is_not_there(tmp_path):
    """Goal: an address where nobody listens is an error that names it, with exit code 1."""
    done = subprocess.run([servers.ramjet_binary(), "bench", "deliver", "--broker", "127.0.0.1:1"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "127.0.0.1:1" in done.stdout
