"""The brokers that are measured: Ramjet and the reference, each with a name server of its own kind,
run as they are in earnest: default settings, files of full size and, in Java, room and a good compiler.
"""
import concurrent.futures
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
import servers  # noqa: E402

FULL_SIZES = {"mappedFileSizeCommitLog": 1 << 30, "maxHashSlotNum": 5000000, "maxIndexNum": 20000000}


def share_rank(pid):
    """A session is one group to the scheduler: whoever gave this one more weight means who is measured, too, not
    the generator and the echo alone."""
    own = Path("/proc/self/autogroup")
    words = own.read_text().split() if own.exists() else []  # none, too, where no session began since the machine did
    if not words or words[-1] == "0":
        return
    try:
        Path(f"/proc/{pid}/autogroup").write_text(words[-1])
    except OSError as error:
        print(f"process {pid} has less or more weight than the generator: {error}", file=sys.stderr)


class MeasuredBroker(servers.Broker):
    java_options = ["-Xms4g", "-Xmx4g", "-XX:+UseG1GC", "--add-exports", "java.base/sun.nio.ch=ALL-UNNAMED",
                    "--add-opens", "java.base/java.nio=ALL-UNNAMED",
                    "--add-opens", "java.base/java.lang=ALL-UNNAMED"]
    patience = {}  # as it is by default

    def __init__(self, target, home, name, conf=None):
        self.name_server = servers.NameServer(target, home / "namesrv")
        super().__init__(target, home / "broker", [self.name_server], name=name, conf={**FULL_SIZES, **(conf or {})})

    def start(self):
        if not self.name_server.is_alive():
            self.name_server.start()
        started = super().start()
        share_rank(self.pid)
        return started

    def close(self):
        """Ends both and removes what they stored: the next ones need the disk."""
        self.kill()
        self.name_server.kill()
        shutil.rmtree(self.home.parent, ignore_errors=True)

    def complaints(self, most=20):
        """The last warnings and errors of the broker's own logs."""
        lines = [line for path in [self.log_path, *self.home.glob("home/logs/**/*.log")] if path.exists()
                 for line in path.read_text(errors="replace").splitlines() if " WARN" in line or " ERROR" in line]
        return "\n".join(sorted(lines)[-most:])

    def shell_command(self):
        """For `ramjet bench start`, which runs the broker itself, with the files of an earlier start."""
        return f"exec {shlex.join(self.command(self.home / 'broker.conf'))} >> {self.log_path} 2>&1"

    def command_alone(self, home):
        """What someone types who wants just one: for Ramjet, broker and name server in one process."""
        if self.target != "ramjet":
            return self.shell_command()
        return (f"exec {servers.ramjet_binary()} --data {home} --bind 127.0.0.1 --namesrv-port {servers.free_port()}"
                f" --broker-port {self.port} >> {self.log_path} 2>&1")

    def cpu_seconds(self):
        """Processor time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def own_memory_bytes(self):
        """Memory that is the process's own, not pages of mapped files."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no RssAnon")

    def log_files(self):
        """Of the commit log: how many files have been begun since it was empty, and how many of them are gone again."""
        starts = [int(file.name) for file in self.log_paths() if file.name.isdigit()]
        size = int(self.conf["mappedFileSizeCommitLog"])
        return starts[-1] // size + 1, starts[0] // size

    def log_bytes(self):
        """What the commit log takes of the disk."""
        return sum(file.stat().st_blocks * 512 for file in self.log_paths())

    def log_paths(self):
        return sorted((self.store / "commitlog").iterdir())

    def disk_read_rate(self, readers, most_bytes=1 << 30):
        """Bytes a second that the disk gives to so many who read parts of the log from start to end, at once. The log
        must be cold, and is warm afterwards."""
        sizes = {path: path.stat().st_blocks * 512 for path in self.log_paths()}
        parts, part_bytes = [], max(1 << 20, min(most_bytes, sum(sizes.values())) // (2 * readers) >> 20 << 20)
        for path, size in sizes.items():
            parts += [(path, at) for at in range(0, size - part_bytes + 1, part_bytes)]
        parts = parts[:readers]

        def read(part):
            path, at = part
            step = bytearray(1 << 20)
            with open(path, "rb", buffering=0) as file:
                return sum(os.preadv(file.fileno(), [step], at + n) for n in range(0, part_bytes, len(step)))

        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(readers) as pool:
            return sum(pool.map(read, parts)) / (time.monotonic() - start)

    def forget_cached_log(self):
        """Makes what is in the commit log cold: the broker must not be running."""
        for path in self.log_paths():
            fd = os.open(path, os.O_RDWR)
            try:
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)


class Fleet:
    """Starts the pair of a configuration when a row asks for it; there is one pair at a time, since an idle
    broker of the reference takes its part of a core."""

    CONFIGURATIONS = {"async": {}, "idle": {}, "sync": {"flushDiskType": "SYNC_FLUSH"},
                      # a file is full within seconds, and goes as soon as the next round of retention sees it
                      "rolling": {"mappedFileSizeCommitLog": 64 << 20, "fileReservedTime": 0,
                                  "deleteWhen": ";".join("%02d" % hour for hour in range(24))}}

    def __init__(self, directory, reference):
        self.directory, self.reference = directory, reference
        self.configuration, self.brokers = None, []

    def make(self, configuration):
        kinds = [("ramjet", "ramjet")] + ([("reference", "rocketmq-" + self.reference)] if self.reference else [])
        return [MeasuredBroker(target, self.directory / configuration / name, name, self.CONFIGURATIONS[configuration])
                for name, target in kinds]

    def pair(self, configuration):
        """The brokers of this configuration, running."""
        if configuration != self.configuration:
            self.close()
            self.configuration, self.brokers = configuration, self.make(configuration)
        self.brokers = self.started(self.brokers)
        return self.brokers

    def started(self, brokers):
        """Those of them that run or start. A reference that does not leaves the other to be measured."""
        for broker in list(brokers):
            if broker.is_alive():
                continue
            try:
                broker.start()
            except (RuntimeError, OSError) as error:
                if broker.target == "ramjet":
                    raise
                print(f"the reference does not start and is left out: {error}", file=sys.stderr)
                broker.close()
                brokers.remove(broker)
                self.reference = None
        return brokers

    def close(self):
        for broker in self.brokers:
            broker.close()
        self.configuration, self.brokers = None, []
