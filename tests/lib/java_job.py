"""The main job on the Java client, as a process: tests/interop/java, compiled against any version."""

import re
import subprocess
import threading

import servers

JAVA_DIR = servers.ROOT / "tests/interop/java"
GROUPS = ("in-order", "concurrent")
TOPICS, QUEUES = 4, 8
SETTLED_DEADLINE_S = 120  # a member that shuts down may leave a queue locked for a minute
JOB_OPTIONS = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-Drocketmq.client.rebalance.waitInterval=2000",
               "-Drocketmq.client.unlockDelayTimeMills=200"]


def built_classes(version):
    """The class path of the Java programs, compiled against this version of the client."""
    pom, sources = JAVA_DIR / "pom.xml", sorted(JAVA_DIR.glob("src/**/*.java"))
    client = servers.kept("client-" + version, [pom], lambda output: servers.run_maven(
        pom, "dependency:copy-dependencies", "-Drocketmq.version=" + version, "-Djob.output=%s" % output)) / "lib"
    classes = servers.kept("classes-" + version, [pom, *sources], lambda output: _compile(sources, client, output))
    return "%s:%s/*" % (classes, client)


def _compile(sources, client, output):
    done = subprocess.run(["javac", "--release", "17", "-nowarn", "-cp",
                           "%s/*" % client, "-d", str(output), *map(str, sources)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("javac:\n%s" % done.stdout[-3000:])


class Job:
    """The job as a process; its output is read as it comes."""

    def __init__(self, version, name_server, home, messages, seconds, properties=None):
        """seconds: the messages are spread over at least so long. properties: of the JVM."""
        self.messages = messages
        # for what never comes: a sanitizer and other jobs beside it may make a minute's work ten
        self.deadline_s = 600 + messages // 1000 + 2 * seconds
        options = ["-D%s=%s" % pair for pair in (properties or {}).items()]
        home.mkdir()
        self.lines, self.sent, self.moved = [], 0, threading.Condition()
        self.is_delivered = False
        self.process = subprocess.Popen(
            ["java", *JOB_OPTIONS, "-Duser.home=%s" % home, *options, "-cp", built_classes(version),
             "Job", name_server.address, str(messages), "1", str(seconds), str(self.deadline_s),
             str(home)],
            cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.moved:
                if line.startswith("progress "):
                    self.sent = int(line.split()[1])
                elif line == "delivered\n":
                    self.is_delivered = True
                else:
                    self.lines.append(line)
                self.moved.notify()
        with self.moved:
            self.sent, self.is_delivered = self.messages, True
            self.moved.notify()

    def wait_sent(self, part):
        with self.moved:
            assert self.moved.wait_for(lambda: self.sent >= part * self.messages, self.deadline_s)
        assert self.process.poll() is None, self.text()

    def finish(self, settled=lambda: True):
        """The summary, as a dict; with its faults when it found any. The groups stay until settled() gives true:
        when every message has been delivered, offsets may be behind and copies under way to the retry topic."""
        with self.moved:
            assert self.moved.wait_for(lambda: self.is_delivered, self.deadline_s + 30), self.text()
        if self.process.poll() is None:
            servers.wait_until(settled, SETTLED_DEADLINE_S, "groups that have read all")
        self.process.stdin.close()
        code = self.process.wait(self.deadline_s + 30)
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
