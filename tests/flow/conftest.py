"""Fixtures of the flow tests: one name server and one broker per session, fresh names per test.

    pytest tests/flow                             against Ramjet (RAMJET_BIN or build/release/ramjet)
    pytest tests/flow --target rocketmq-5.3.3     against the reference, which the tests describe
"""

import itertools
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import mini_client as mq  # noqa: E402
import servers  # noqa: E402

# what the tests rely on: the first levels are due soon, and idle connections are cut soon
BROKER_CONF = {"messageDelayLevel": "1s 2s 3s 30s", "brokerHeartbeatInterval": 1000}


def pytest_addoption(parser):
    parser.addoption("--target", default="ramjet", help="ramjet or rocketmq-VERSION")


@pytest.fixture(scope="session")
def target(request):
    name = request.config.getoption("--target")
    reason = servers.unavailable(name)
    if reason:
        pytest.exit("cannot start %s: %s" % (name, reason), returncode=2)
    return name


@pytest.fixture
def is_ramjet(target):
    return target == "ramjet"


@pytest.fixture(scope="session")
def pair(target, tmp_path_factory):
    """The name server and the broker all tests share."""
    with servers.Pair(target, tmp_path_factory.mktemp("servers"), conf=BROKER_CONF) as both:
        yield both
        codes = {}
        for server in (both.broker, both.name_server):
            # the reference takes 15 s to stop, and how it stops is not what is tested here
            codes[server.role] = server.stop(signal.SIGTERM if target == "ramjet" else signal.SIGKILL)
        if target == "ramjet":
            assert codes == {"broker": 0, "namesrv": 0}, "both end with 0 after SIGTERM"


@pytest.fixture
def broker(pair):
    """A connection to the broker."""
    with pair.broker.connect() as connection:
        yield connection


@pytest.fixture
def name_server(pair):
    """A connection to the name server."""
    with pair.name_server.connect() as connection:
        yield connection


@pytest.fixture
def connect(pair):
    """Opens further connections to the broker."""
    opened = []

    def more(**how):
        opened.append(pair.broker.connect(**how))
        return opened[-1]

    yield more
    for connection in opened:
        connection.close()


_numbers = itertools.count(1)


@pytest.fixture
def name(request):
    """Makes names nobody else uses, derived from the test's: name("group")."""
    stem = "".join(c if c.isalnum() else "_" for c in request.node.name)[5:45]
    return lambda kind="topic": "%s_%s_%d_%x" % (kind, stem, next(_numbers), time.time_ns() & 0xFFFFF)


@pytest.fixture
def topic(broker, name):
    """A fresh topic with four queues."""
    return make_topic(broker, name("topic"))


@pytest.fixture
def group(name):
    """A group name nobody else uses."""
    return name("group")


def make_topic(connection, topic, queues=4, perm=6, **more):
    assert connection.call(17, mq.topic_fields(topic, queues, perm, **more)).code == 0
    return topic


def send(connection, topic, body=b"hello", queue_id=0, properties=None, **more):
    """Sends one message and gives the answer, which must be a success. Returns when consumers can
    see the message: the reference builds its consume queues some time after the answer."""
    answer = connection.call(310, mq.send_fields(topic, queue_id, properties, **more), body)
    assert answer.code == 0, (answer.code, answer.remark)
    if "DELAY" not in (properties or {}):
        where = int(answer.ext["queueOffset"])
        servers.wait_until(lambda: max_offset(connection, topic, answer.ext["queueId"]) > where)
    return answer


def max_offset(connection, topic, queue_id=0):
    return int(connection.call(30, {"topic": topic, "queueId": queue_id}).ext["offset"])


def expect_not_before(connection, topic, due_ms, queue_id=0):
    """Nothing is there before that time. (Whoever asks later, on a busy machine, learns nothing.)"""
    assert max_offset(connection, topic, queue_id) == 0 or mq.now_ms() >= due_ms


def commit(connection, group, topic, offset, queue_id=0):
    return connection.call(15, {"consumerGroup": group, "topic": topic, "queueId": queue_id, "commitOffset": offset})


def committed(connection, group, topic, queue_id=0):
    """The offset that the broker tells the group to go on at; None: none."""
    answer = connection.call(14, {"consumerGroup": group, "topic": topic, "queueId": queue_id})
    return int(answer.ext["offset"]) if answer.code == 0 else None


def pull(connection, group, topic, offset=0, **more):
    return connection.call(11, mq.pull_fields(group, topic, offset=offset, **more))


def pull_all(connection, group, topic, queue_id=0, offset=0, count=1):
    """Every record of a queue from an offset on; waits until there are `count`."""
    records = []

    def enough():
        nonlocal offset
        answer = pull(connection, group, topic, offset, queue_id=queue_id)
        while answer.code == 0:
            records.extend(mq.decode_records(answer.body))
            offset = int(answer.ext["nextBeginOffset"])
            answer = pull(connection, group, topic, offset, queue_id=queue_id)
        return len(records) >= count

    servers.wait_until(enough, what="%d messages in %s" % (count, topic))
    return records


def heartbeat(connection, client_id, consumers=None, producers=(), **more):
    answer = connection.call(34, body=mq.heartbeat_body(client_id, producers, consumers, **more))
    assert answer.code == 0, (answer.code, answer.remark)
    return answer


def differs(target, reference, ramjet, why):
    """What this target answers where Ramjet departs from the reference on purpose."""
    assert why
    return ramjet if target == "ramjet" else reference
