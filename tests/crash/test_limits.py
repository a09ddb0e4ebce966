"""Limits of the process: what the broker cannot have it says, and goes on with what it has."""

import shutil

import mini_client as mq
import pytest
from servers import Broker, sanitizer, wait_until
from test_kill import SEND, TOPIC, expect_all

DESCRIPTORS, MEMORY_ABOVE = 80, 64 << 20
# the most of a frame of 5 MB: a header that is there, a body that does not end
UNFINISHED = mq.encode(mq.Frame(SEND, mq.send_fields(TOPIC, 0), bytes(4 << 20), 1))[4:]


class LimitedBroker(Broker):
    """Started under limits of util-linux' prlimit."""

    limits = ()

    def command(self, conf_path):
        return ["prlimit", *self.limits, *super().command(conf_path)] if self.limits else super().command(conf_path)


@pytest.fixture
def broker(name_server, tmp_path, request):
    if not shutil.which("prlimit"):
        pytest.skip("prlimit is not installed")
    conf = {"mappedFileSizeCommitLog": 1 << 20, "mappedFileSizeConsumeQueue": 20000}
    server = LimitedBroker("ramjet", tmp_path / "broker", [name_server], name=request.node.name[:60], conf=conf)
    yield server
    server.stop()


def send(connection, acked, number, size=20000):
    """Any answer will do; gives its code."""
    body = b"%d:" % number + bytes([number % 251]) * size
    answer = connection.call(SEND, mq.send_fields(TOPIC, number % 4), body)
    if answer.code == 0:
        acked[int(answer.ext["queueId"]), int(answer.ext["queueOffset"])] = body
    else:
        assert answer.remark
    return answer.code


def connect_until_refused(broker, most):
    """Connections that are held; the last of them the broker closed, or it could not be made."""
    held = []
    for _ in range(most):
        try:
            connection = broker.connect(timeout=5)
            held.append(connection)
            connection.call(28)
        except (mq.Closed, OSError, TimeoutError):
            return held
    pytest.fail("%d connections with %d descriptors" % (most, DESCRIPTORS))


def test_without_descriptors_it_goes_on_and_loses_nothing(broker):
    """Goal: when there are no descriptors left, new connections are refused with a line in the log, those that
    stand are served or answered with a reason, while the log needs new files; with descriptors again all is well.
    Method: RLIMIT_NOFILE 80; connections until one is refused; 6 MB of sends to a log of 1 MiB files."""
    broker.limits = ("--nofile=%d" % DESCRIPTORS,)
    broker.start()
    acked = {}
    with broker.connect() as connection:
        assert send(connection, acked, 0) == 0
        held = connect_until_refused(broker, 2 * DESCRIPTORS)
        wait_until(lambda: "conn_refused" in broker.log_tail(100000), 60, "a line in the log")
        codes = [send(connection, acked, number) for number in range(1, 300)]
        for one in held:
            one.close()
        wait_until(lambda: send(connection, acked, 300) == 0, 60, "sends to go on")
    assert codes.count(0) > 0
    expect_all(broker, acked)
    broker.kill()
    broker.start()
    expect_all(broker, acked)


def vm_bytes(broker):
    with open("/proc/%d/status" % broker.pid, encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmSize"))


def test_without_memory_it_ends_or_goes_on_and_loses_nothing(broker):
    """Goal: when there is no memory left, requests are answered with a reason or the process ends; in both cases
    nothing acknowledged is lost and the next start is well.
    Method: RLIMIT_AS a little above what an idle broker takes; thirty senders with frames of 5 MB that do not end."""
    if sanitizer():
        pytest.skip("a sanitizer takes memory of its own, and ends where there is none")
    broker.start()
    idle = vm_bytes(broker)
    broker.stop()
    broker.limits = ("--as=%d" % (idle + MEMORY_ABOVE),)
    broker.conf["mappedFileSizeCommitLog"] = 16 << 20
    shutil.rmtree(broker.store)
    broker.start()
    acked, held = {}, []
    try:
        with broker.connect() as connection:
            for number in range(30):
                held.append(broker.connect(timeout=5))
                held[-1].send_raw((5 << 20).to_bytes(4, "big") + UNFINISHED)
                send(connection, acked, number, 4000000 if number % 3 == 0 else 100)
    except (mq.Closed, OSError, TimeoutError):
        pass
    for one in held:
        one.close()
    broker.kill()
    broker.limits = ()
    broker.start()
    assert acked
    expect_all(broker, acked)
    with broker.connect() as connection:
        assert send(connection, acked, 31) == 0
