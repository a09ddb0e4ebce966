"""The two systems that are compared, as external processes: a name server and a broker each.

A broker's command is a line for a shell that stays with the broker (`exec`), so that `ramjet bench
start` can run it as well. Ports are picked by the kernel; each directory keeps store and log.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

READY_S, STOP_S = 120, 60


def free_port_pair():
    """A port whose neighbour two below is free too: the reference's broker listens on both."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port - 2))
                return port
            except OSError:
                continue


def write_properties(path, **values):
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))


class System:
    """Name server and broker of one kind. A subclass sets namesrv_command and broker_command."""

    name = None

    def __init__(self, directory):
        self.directory = directory
        self.log = directory / "out.log"
        self.namesrv_port, self.broker_port = free_port_pair(), free_port_pair()
        self.address = f"127.0.0.1:{self.broker_port}"
        self.namesrv = self.broker = None
        directory.mkdir(parents=True, exist_ok=True)
        write_properties(directory / "namesrv.conf", listenPort=self.namesrv_port, bindAddress="127.0.0.1")
        write_properties(directory / "broker.conf", brokerName=self.name, listenPort=self.broker_port,
                         haListenPort=free_port_pair(), bindAddress="127.0.0.1", brokerIP1="127.0.0.1",
                         namesrvAddr=f"127.0.0.1:{self.namesrv_port}", flushDiskType="ASYNC_FLUSH",
                         brokerRole="ASYNC_MASTER", storePathRootDir=directory / "store",
                         storePathCommitLog=directory / "store" / "commitlog")

    @property
    def pid(self):
        return self.broker.pid

    def launch(self, command, port):
        with open(self.log, "ab") as log:
            process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT)
        deadline = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return process
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise SystemExit(f"compare: {self.name} does not come up: {command}\n{tail}")
                time.sleep(0.01)

    def start(self):
        self.namesrv = self.launch(self.namesrv_command, self.namesrv_port)
        self.start_broker()

    def start_broker(self):
        self.broker = self.launch(self.broker_command, self.broker_port)

    def stop_broker(self, by=signal.SIGTERM):
        if self.broker is not None:
            self.broker.send_signal(by)
            self.broker.wait(STOP_S)
            self.broker = None

    def kill_broker(self):
        self.stop_broker(signal.SIGKILL)

    def stop(self):
        for process in filter(None, (self.broker, self.namesrv)):
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def clear(self):
        shutil.rmtree(self.directory / "store", ignore_errors=True)


class Ramjet(System):
    name = "ramjet"

    def __init__(self, binary, directory):
        super().__init__(directory)
        self.namesrv_command = f"exec {binary} namesrv -c {directory}/namesrv.conf"
        self.broker_command = f"exec {binary} broker -c {directory}/broker.conf"


class Reference(System):
    name = "reference"
    MODULES = "namesrv", "broker"
    FLAGS = ("-Xms4g -Xmx4g -XX:+UseG1GC --add-exports java.base/sun.nio.ch=ALL-UNNAMED "
             "--add-opens java.base/java.nio=ALL-UNNAMED --add-opens java.base/java.lang=ALL-UNNAMED")

    def __init__(self, version, directory):
        super().__init__(directory)
        jars = self.fetch(version)
        java = f"exec java -Duser.home={directory} -Drocketmq.home.dir={directory} -cp '{jars}/*'"
        start = "org.apache.rocketmq"
        self.namesrv_command = f"{java} -Xmx256m {start}.namesrv.NamesrvStartup -c {directory}/namesrv.conf"
        self.broker_command = f"{java} {self.FLAGS} {start}.broker.BrokerStartup -c {directory}/broker.conf"

    def fetch(self, version):
        """The published jars with what they depend on, kept between runs."""
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
        jars = cache / "ramjet-tests" / f"rocketmq-{version}"
        if (jars / "complete").exists():
            return jars / "lib"
        jars.mkdir(parents=True, exist_ok=True)
        group = "org.apache.rocketmq"
        managed = f"<groupId>{group}</groupId><artifactId>rocketmq-all</artifactId><version>{version}</version>"
        needed = "".join(f"<dependency><groupId>{group}</groupId><artifactId>rocketmq-{module}</artifactId>"
                         f"<version>{version}</version></dependency>" for module in self.MODULES)
        (jars / "pom.xml").write_text(
            "<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>reference</artifactId>"
            f"<version>1</version><dependencyManagement><dependencies><dependency>{managed}<type>pom</type>"
            f"<scope>import</scope></dependency></dependencies></dependencyManagement>"
            f"<dependencies>{needed}</dependencies></project>")
        subprocess.run(["mvn", "-q", "-B", "-f", jars / "pom.xml", "dependency:copy-dependencies",
                        "-DincludeScope=runtime", f"-DoutputDirectory={jars}/lib"], check=True)
        (jars / "complete").touch()
        return jars / "lib"
