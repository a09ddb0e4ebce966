"""The main job: the Java client (two versions, both header encodings) on a broker that dies.

java/ sends, reads and checks what it reads (README.md says what); here the broker is stopped and
started meanwhile, and what mqadmin says in the end is compared with what the job counted.

  INTEROP_MESSAGES   messages per run (20,000)
"""

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import servers

MESSAGES = int(os.environ.get("INTEROP_MESSAGES", "20000"))
SEND_SECONDS = 15  # a small job is spread over so long, that members come and go while it runs
DEADLINE_S = 100 + MESSAGES // 1000
TOOLS = "5.3.3"
GROUPS = ("in-order", "concurrent")
JAVA_DIR = Path(__file__).parent / "java"
# the broker is stopped at these parts of the job
STOPS = ((0.2, signal.SIGTERM), (0.5, signal.SIGKILL), (0.75, signal.SIGKILL))
JOB_OPTIONS = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-Drocketmq.client.rebalance.waitInterval=2000",
               "-Drocketmq.client.unlockDelayTimeMills=200"]


def built_job(version):
    """The class path of the job, compiled against this version of the client."""
    output = servers.cache_dir() / "interop" / ("java-" + version)
    servers.run_maven(JAVA_DIR / "pom.xml", "compile", "dependency:copy-dependencies",
                      "-Drocketmq.version=" + version, "-Djob.output=%s" % output)
    return "%s:%s/*" % (output / "classes", output / "lib")


class Job:
    """The job as a process; its output is read as it comes."""

    def __init__(self, class_path, encoding, name_server, home):
        home.mkdir()
        self.lines, self.sent, self.moved = [], 0, threading.Condition()
        self.process = subprocess.Popen(
            ["java", *JOB_OPTIONS, "-Duser.home=%s" % home, "-Drocketmq.serialize.type=" + encoding,
             "-cp", class_path, "Job", name_server.address, str(MESSAGES), "1", str(SEND_SECONDS),
             str(DEADLINE_S), str(home)],
            cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.moved:
                if line.startswith("progress "):
                    self.sent = int(line.split()[1])
                else:
                    self.lines.append(line)
                self.moved.notify()
        with self.moved:
            self.sent = MESSAGES
            self.moved.notify()

    def wait_sent(self, part):
        with self.moved:
            assert self.moved.wait_for(lambda: self.sent >= part * MESSAGES, DEADLINE_S)
        assert self.process.poll() is None, self.text()

    def finish(self):
        """The summary, as a dict; with its faults when it found any."""
        code = self.process.wait(DEADLINE_S + 30)
        self.reader.join()
        print(self.text())
        assert code == 0, self.text()
        return {key: float(value) for key, value in re.findall(r"(\S+)=([\d.]+)", self.lines[-1])}

    def text(self):
        return "".join(self.lines)[-5000:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def progress(name_server, group):
    """The rows of consumerProgress: topic -> list of (broker offset, consumer offset)."""
    text = servers.mqadmin(TOOLS, "consumerProgress", "-n", name_server.address, "-g", group)
    rows = {}
    for line in text.splitlines():
        row = re.match(r"(\S+)\s+broker-a\s+\d+\s+(\d+)\s+(\d+)\s", line)
        if row:
            rows.setdefault(row[1], []).append((int(row[2]), int(row[3])))
    assert rows, text
    return rows


@pytest.mark.parametrize("version, encoding",
                         [("5.3.3", "JSON"), ("5.3.3", "ROCKETMQ"), ("4.9.8", "JSON")])
def test_acknowledged_messages_reach_both_groups(version, encoding, pair, need, tmp_path):
    need("java", "mvn")
    job = Job(built_job(version), encoding, pair.name_server, tmp_path / "job")
    try:
        for part, how in STOPS:
            job.wait_sent(part)
            code = pair.broker.stop(how)
            assert code == (0 if how == signal.SIGTERM else -how), pair.broker.log_tail()
            pair.broker.start()
        summary = job.finish()
    finally:
        job.kill()
    assert summary["acked"] + summary["oneway"] <= MESSAGES
    assert summary["retried"] > 0
    for group in GROUPS:
        rows = progress(pair.name_server, group)
        stored = [broker for topic, queues in rows.items() if topic.startswith("colours-")
                  for broker, _ in queues]
        assert len(stored) == 4 * 8 and sum(stored) == summary["stored"]
        assert all(broker == consumer for queues in rows.values() for broker, consumer in queues)
