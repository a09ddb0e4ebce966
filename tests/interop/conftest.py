"""What the interop tests share: a name server and a broker, and clients that run as processes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import mini_client as mq  # noqa: E402
import servers  # noqa: E402
from certificates import Authority, trusting_all  # noqa: E402

# every family of each client, plain and over TLS: minutes more
IS_WHOLE = os.environ.get("INTEROP_WHOLE", "") != ""
HOWS = ["plain", "tls"] if IS_WHOLE else ["plain"]
CLIENT_DEADLINE_S = 300
LONG_BODY_BYTES = 8192


@pytest.fixture
def pair(tmp_path):
    with servers.Pair("ramjet", tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def need():
    """Skips where a tool is missing; where everything must run (CI is set) that is a failure."""

    def check(*tools):
        missing = [tool for tool in tools if not shutil.which(tool)]
        if missing and os.environ.get("CI"):
            pytest.fail("not installed: " + ", ".join(missing))
        if missing:
            pytest.skip("not installed: " + ", ".join(missing))

    return check


def mutual_tls(home):
    """Properties by which Java servers and clients speak TLS only and show each other certificates, and our own context."""
    authority = Authority(home / "authority")
    cert, key = authority.sign("everyone")
    config = home / "tls.properties"
    config.write_text(
        "tls.test.mode.enable=false\ntls.server.need.client.auth=require\n"
        + "".join("tls.%s.certPath=%s\ntls.%s.keyPath=%s\ntls.%s.trustCertPath=%s\n"
                  % (side, cert, side, key, side, authority.cert) for side in ("server", "client"))
        + "tls.server.authClient=true\ntls.client.authServer=true\n", encoding="ascii")
    return ({"tls.server.mode": "enforcing", "tls.enable": "true", "tls.config.file": config},
            trusting_all(cert, key))


def stored(broker, topic, queues=1):
    """How many messages the topic has taken; copies that a client sent again, since the answer was late, are one."""
    found = set()
    with broker.connect() as connection:
        for queue in range(queues):
            answer = connection.call(11, mq.pull_fields("counting", topic, queue, suspend_ms=0))
            while answer.code == 0:
                found.update(record.properties["UNIQ_KEY"] for record in mq.decode_records(answer.body))
                next_offset = int(answer.ext["nextBeginOffset"])
                answer = connection.call(11, mq.pull_fields("counting", topic, queue, next_offset, suspend_ms=0))
    return len(found)


@pytest.fixture
def colours(pair, tmp_path):
    """Runs a client that sends messages tagged red and blue in turn; checks that it got the red.

    Such a client is called with name server, topic, count and what more it takes, and prints
    `sent KEY` and `received KEY TAG START_OF_BODY LENGTH`. Every tenth body is a long one.
    """

    def run(command, count, *more):
        topic = "colours"
        with pair.broker.connect() as admin:
            made = admin.call(17, mq.topic_fields(topic, 8))
        assert made.code == 0, made.remark
        done = subprocess.run([*command, pair.name_server.address, topic, str(count), *more],
                              cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=CLIENT_DEADLINE_S,
                              check=False)
        assert done.returncode == 0, done.stdout[-5000:]
        words = [line.split() for line in done.stdout.splitlines()]
        assert [w[1] for w in words if w[:1] == ["sent"]] == ["key-%d" % i for i in range(count)]
        received = {tuple(w[1:]) for w in words if w[:1] == ["received"]}
        assert received == {expected(i) for i in range(0, count, 2)}

    return run


def expected(i):
    body = "body-%d" % i
    if i % 10 == 0:
        body = (body + "-").ljust(LONG_BODY_BYTES, "x")
    return "key-%d" % i, "red", body[:16], str(len(body))
