"""Starts name servers and brokers of any kind as processes of their own, and stops them by pid.

Targets    ramjet (the binary named by RAMJET_BIN, else build/release/ramjet of this tree) and
           rocketmq-VERSION (released jars; Maven brings them once into RAMJET_TEST_CACHE, default
           ~/.cache/ramjet-tests).
Ready      a name server: it answers; a broker: it answers and stands in the name server's table.
Ports      free ones below the range of outgoing connections. A Java broker also listens on
           port - 2 and port + 1, so brokers get triples.
Ownership  whoever starts a server stops it; both classes are context managers.
"""

import atexit
import contextlib
import fcntl
import functools
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import mini_client as mq  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = "DefaultCluster"
START_DEADLINE_S = 300  # one that ends instead is noticed at once
STOP_DEADLINE_S = 40
PORTS = range(20000, 29990)
JAVA_OPTIONS = ["-Xms384m", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "--add-exports", "java.base/sun.nio.ch=ALL-UNNAMED",
                "--add-opens", "java.base/java.nio=ALL-UNNAMED",
                "--add-opens", "java.base/jdk.internal.ref=ALL-UNNAMED",
                "--add-opens", "java.base/java.lang=ALL-UNNAMED"]
SANITIZER_REPORT = re.compile(rb"(ERROR|WARNING): \w+Sanitizer|: runtime error: ")
# small files: a test's store is made and removed in no time
STORE_SIZES = {"mappedFileSizeCommitLog": 64 << 20, "maxHashSlotNum": 50000, "maxIndexNum": 200000}

# 4.x reads its logging configuration from the home directory; 5.x carries it in the jar
LOGBACK = """<configuration>
  <appender name="F" class="ch.qos.logback.core.FileAppender"><file>%s</file>
    <encoder><pattern>%%d{HH:mm:ss.SSS} %%p %%t %%logger{0} - %%m%%n</pattern></encoder></appender>
  <root level="INFO"><appender-ref ref="F"/></root>
</configuration>
"""


def ramjet_binary():
    return Path(os.environ.get("RAMJET_BIN", ROOT / "build/release/ramjet")).resolve()


@functools.cache
def sanitizer():
    """The library of the sanitizer that the binary was built with: "libasan", "libtsan" or None."""
    code = ramjet_binary().read_bytes()
    return next((name for name in ("libasan", "libtsan") if b"__%s_init" % name[3:].encode() in code), None)


def cache_dir():
    return Path(os.environ.get("RAMJET_TEST_CACHE", Path.home() / ".cache/ramjet-tests"))


def kept(name, inputs, make):
    """The directory of the cache for this content of the inputs (paths); make(directory) fills it the first time.

    Trees with other inputs share the cache: neither rebuilds nor removes what the other runs.
    """
    digest = hashlib.sha256()
    for path in inputs:
        digest.update(b"%s %d\n" % (path.name.encode(), path.stat().st_size) + path.read_bytes())
    home = cache_dir() / "interop" / ("%s-%s" % (name, digest.hexdigest()[:16]))
    home.parent.mkdir(parents=True, exist_ok=True)
    if not home.exists():
        # filled beside it and renamed: whoever sees the directory sees all of it
        with tempfile.TemporaryDirectory(dir=home.parent) as beside:
            output = Path(beside) / "output"
            output.mkdir()
            make(output)
            try:
                output.rename(home)
            except OSError:
                if not home.exists():  # else another run made the same meanwhile
                    raise
    return home


def unavailable(target):
    """Why this target cannot be started here, or None."""
    if target == "ramjet":
        return None if ramjet_binary().exists() else "no binary at %s" % ramjet_binary()
    for tool in ("java", "mvn"):
        if not shutil.which(tool):
            return "%s is not installed" % tool
    return None


def reference_jars(version):
    """The directory with the jars of a release; brought by Maven when it is not there yet."""
    home = cache_dir() / ("rocketmq-" + version)
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            shutil.rmtree(home / "lib", ignore_errors=True)
            run_maven(Path(__file__).parent / "java/pom.xml", "dependency:copy-dependencies",
                      "-DincludeScope=runtime", "-Drocketmq.version=" + version,
                      "-DoutputDirectory=%s" % (home / "lib"))
            (home / "complete").touch()
    return home / "lib"


def run_maven(pom, *arguments):
    done = subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("mvn %s:\n%s" % (" ".join(arguments), done.stdout[-3000:]))


def free_port():
    """A port P such that P - 2, P and P + 1 are free now."""
    while True:
        port = random.choice(PORTS)
        if all(_is_free(p) for p in (port - 2, port, port + 1)):
            return port


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def wait_until(check, deadline_s=60.0, what="condition", pause_s=0.02):
    """Polls check() until it gives something true, and gives that. The deadline is for what never comes."""
    end = time.monotonic() + deadline_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("%s not within %.0f s" % (what, deadline_s))
        time.sleep(pause_s)


class Server:
    """A process with a directory of its own: role.conf, out.log, home/ and, for brokers, store/."""

    role = main_class = None
    java_options = JAVA_OPTIONS
    tls = None  # how is_ready() and connect() speak: an ssl.SSLContext, or plain

    def __init__(self, target, home, port=None, conf=None, properties=None):
        """properties: system properties of the reference, which Ramjet takes from its file."""
        self.target, self.home = target, Path(home)
        self.properties = properties or {}
        self.port = port or free_port()
        self.address = "127.0.0.1:%d" % self.port
        self.conf = {"listenPort": self.port, "bindAddress": "127.0.0.1", **(conf or {})}
        self.process = None
        self.log_seen = 0  # up to where the log was looked through
        self.group = None  # a ControlGroup that the process is started in
        self.fault_path = None
        self.first_fault = ""

    def take_faults(self, first=""):
        """Lets arm() work, from the next start on. Ramjet only. first: armed before the start does anything."""
        self.first_fault = first
        # not below home: the path of a socket is short
        directory = Path(tempfile.mkdtemp(prefix="ramjet-"))
        atexit.register(shutil.rmtree, directory, True)
        self.fault_path = directory / "faults"
        return self

    def arm(self, *words):
        """Arms a fault point: "fail"|"pause" POINT SKIP TIMES WHAT, "value" POINT NUMBER, or "clear"."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.fault_path))
            control.sendall((" ".join(map(str, words)) + "\n").encode())
            answer = control.recv(16)
        assert answer == b"ok\n", words

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    @property
    def log_path(self):
        return self.home / "out.log"

    def command(self, conf_path):
        if self.target == "ramjet":
            return [str(ramjet_binary()), self.role, "-c", str(conf_path)]
        jars = reference_jars(self.target.removeprefix("rocketmq-"))
        home = self.home / "home"
        (home / "conf").mkdir(parents=True, exist_ok=True)
        (home / "conf" / ("logback_%s.xml" % self.role)).write_text(
            LOGBACK % (home / (self.role + ".log")), encoding="ascii")
        return ["java", *self.java_options, *("-D%s=%s" % pair for pair in self.properties.items()),
                "-Duser.home=%s" % home, "-Drocketmq.home.dir=%s" % home,
                "-Djava.io.tmpdir=%s" % home, "-cp", "%s/*" % jars, self.main_class,
                "-c", str(conf_path)]

    def start(self):
        """Starts the process and waits until it is ready."""
        self.spawn()
        try:
            wait_until(self._ready_or_dead, START_DEADLINE_S, "start of %s" % self.role)
        except TimeoutError as error:
            self.kill()
            raise RuntimeError("%s %s: %s\n%s" % (self.target, self.role, error,
                                                  self.log_tail())) from error
        except BaseException:
            self.kill()
            raise
        return self

    def spawn(self):
        """Starts the process, no more."""
        self.home.mkdir(parents=True, exist_ok=True)
        conf_path = self.home / (self.role + ".conf")
        conf = {**self.conf, **(self.properties if self.target == "ramjet" else {})}
        conf_path.write_text("".join("%s=%s\n" % pair for pair in conf.items()),
                             encoding="utf-8")
        # files whose default place is below the home directory stay in this server's own
        environment = {**os.environ, "HOME": str(self.home / "home")}
        if self.fault_path:
            environment["RAMJET_FAULTS"] = str(self.fault_path)
            if self.first_fault:
                environment["RAMJET_FAULT_FIRST"] = self.first_fault
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(conf_path), cwd=self.home, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL,
                                            env=environment, start_new_session=True,
                                            preexec_fn=self.group.enter if self.group else None)

    def _ready_or_dead(self):
        if self.process.poll() is not None:
            raise RuntimeError("%s %s ended with %s\n%s" % (self.target, self.role,
                                                            self.process.returncode,
                                                            self.log_tail()))
        try:
            return self.is_ready()
        except (OSError, mq.Closed, TimeoutError):
            return False

    def log_tail(self, size=3000):
        return self.log_path.read_text(errors="replace")[-size:] if self.log_path.exists() else ""

    def expect_no_report(self):
        """Looks for what a sanitizer wrote: the exit code does not show it when the process is killed. Once for each report."""
        if not self.log_path.exists():
            return
        with open(self.log_path, "rb") as log:
            log.seek(self.log_seen)
            text = log.read()
        self.log_seen += len(text)
        report = SANITIZER_REPORT.search(text)
        assert not report, text[report.start():][:8000].decode(errors="replace")

    def stop(self, how=signal.SIGTERM):
        """Stops the process and gives its exit code; one that ignores the signal is killed."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        code, self.process = self.process.returncode, None
        self.expect_no_report()
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self):
        """Within it no thread of the process runs, and the kernel goes on taking what is sent to it."""

        def is_still():
            states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path("/proc/%d/task" % self.pid).glob("*/stat")]
            return set(states) == {"T"}

        self.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(is_still, what="a process that stands still")
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def connect(self, **how):
        return mq.Connection(self.address, tls=self.tls, **how)

    def is_ready(self):
        raise NotImplementedError


class NameServer(Server):
    """A name server."""

    role, main_class = "namesrv", "org.apache.rocketmq.namesrv.NamesrvStartup"

    def is_ready(self):
        with self.connect(timeout=2) as connection:
            return connection.call(106).code == 0


class Broker(Server):
    """A broker that registers at `name_servers` (Server objects) and stores below its home."""

    role, main_class = "broker", "org.apache.rocketmq.broker.BrokerStartup"
    # who waited for 200 ms in a crowd, or for the disk for seconds, is refused: on a busy machine, that is anybody
    patience = {"waitTimeMillsInSendQueue": 60000, "syncFlushTimeout": 60000, "diskBreakerMillis": 60000,
                "degradeDelayMillis": 60000}

    def __init__(self, target, home, name_servers, name="broker-a", port=None, conf=None, store=None,
                 properties=None):
        super().__init__(target, home, port, properties=properties)
        self.name, self.name_servers = name, name_servers
        self.store = Path(store) if store else self.home / "store"
        self.conf.update({
            "brokerClusterName": CLUSTER, "brokerName": name, "brokerId": 0,
            "brokerIP1": "127.0.0.1", "brokerIP2": "127.0.0.1", "haListenPort": self.port + 1,
            "namesrvAddr": ";".join(ns.address for ns in name_servers),
            "storePathRootDir": self.store, "storePathCommitLog": self.store / "commitlog",
            "brokerRole": "ASYNC_MASTER", "flushDiskType": "ASYNC_FLUSH",
            **STORE_SIZES, **self.patience, **(conf or {})})

    def command(self, conf_path):
        return super().command(conf_path) + ["-n", self.conf["namesrvAddr"]]

    def is_ready(self):
        with self.connect(timeout=15) as connection:  # the reference needs seconds on a busy machine
            connection.call(28)
        for name_server in self.name_servers:
            with name_server.connect(timeout=2) as connection:
                table = connection.call(106).json().get("brokerAddrTable", {})
            if self.address not in table.get(self.name, {}).get("brokerAddrs", {}).values():
                return False
        return True


class Console(Server):
    """`ramjet console` for the cluster of `name_servers` (addresses)."""

    role = "console"

    def __init__(self, home, name_servers, *options):
        super().__init__("ramjet", home)
        self.name_servers, self.options = name_servers, options

    def command(self, conf_path):
        return [str(ramjet_binary()), "console", "-n", ";".join(self.name_servers), "--port", str(self.port), *self.options]

    def is_ready(self):
        with socket.create_connection(("127.0.0.1", self.port)):
            return True


class Whole(Server):
    """`ramjet` alone: name server, broker and console, at ports of their own, in one process."""

    role = "whole"

    def __init__(self, home, *options, conf=None):
        super().__init__("ramjet", home, conf={**STORE_SIZES, **Broker.patience, **(conf or {})})
        self.options = options
        self.name_server_port, self.console_port = free_port(), free_port()

    def command(self, conf_path):
        return [str(ramjet_binary()), "--data", str(self.home / "data"), "--bind", "127.0.0.1", "--advertise", "127.0.0.1",
                "--namesrv-port", str(self.name_server_port), "--broker-port", str(self.port),
                *(self.options or ("--console-port", str(self.console_port))), "-c", str(conf_path)]

    def is_ready(self):
        return b"\ntry: " in self.log_path.read_bytes()


class Pair:
    """A name server and a broker, started together."""

    def __init__(self, target, home, conf=None, ns_conf=None, ns_target=None, properties=None, tls=None):
        home = Path(home)
        self.name_server = NameServer(ns_target or target, home / "namesrv", conf=ns_conf,
                                      properties=properties)
        self.broker = Broker(target, home / "broker-a", [self.name_server], conf=conf,
                             properties=properties)
        self.name_server.tls = self.broker.tls = tls

    def __enter__(self):
        self.name_server.start()
        try:
            self.broker.start()
        except BaseException:
            self.name_server.stop()
            raise
        return self

    def __exit__(self, *_):
        self.broker.stop()
        self.name_server.stop()


def mqadmin(version, *arguments, timeout=300, properties=None):
    """What the reference's admin tool prints. It exits 0 even when it fails: read the text."""
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
               *("-D%s=%s" % pair for pair in (properties or {}).items()),
               "-cp", "%s/*" % reference_jars(version),
               "org.apache.rocketmq.tools.command.MQAdminStartup", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout, check=False).stdout
