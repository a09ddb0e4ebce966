"""The Rust client rocketmq-client-rust on Ramjet; the clients are rust/src/main.rs and rust/src/bin/families."""

import fcntl
import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import mini_client as mq
import pytest
import servers
from certificates import Authority, trusting_all
from conftest import HOWS, IS_WHOLE, stored

MESSAGES = 400
TARGET = os.environ.get("INTEROP_TARGET", "ramjet")
FAMILIES = ["retry", "orderly", "sql", "delay", "timer", "transaction"]
if IS_WHOLE:
    FAMILIES += ["deadletter", "broadcast", "recall", "pop", "requestreply", "batch", "litepull", "query", "trace", "namespace",
                 "unwaited", "fresh", "asked"]
CONF = {"messageDelayLevel": "1s 2s 3s 4s", "enablePropertyFilter": "true", "transactionCheckInterval": 1000,
        "transactionTimeOut": 1000, "recallMessageEnable": "true", "traceTopicEnable": "true"}
DEADLINE_S = 300
COUNT = 20  # messages of a family
NEEDED = (1, 95)  # what the client's crates ask for
RUST_DIR = Path(__file__).parent / "rust"


def need_cargo():
    text = subprocess.run(["cargo", "--version"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    found = tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", text).groups())
    if found >= NEEDED:
        return
    reason = "the client needs cargo %d.%d, this is %d.%d" % (NEEDED + found)
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def build(output):
    """Puts the program there. Its crates take minutes the first time, so all trees build them in one place."""
    target = servers.cache_dir() / "interop" / "rust"
    target.mkdir(exist_ok=True)
    with open(target / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the program is copied
        done = subprocess.run(["cargo", "build", "--quiet", "--target-dir", str(target)],
                              cwd=RUST_DIR, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
        for program in ("interop-rust", "families"):
            shutil.copy2(target / "debug" / program, output)


def built():
    return servers.kept("rust", [RUST_DIR / "Cargo.toml", *sorted(RUST_DIR.glob("src/**/*.rs"))], build)


def built_job():
    return built() / "interop-rust"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


def start_pair(how, authority, home, conf=None, target="ramjet"):
    """Servers that speak plain, or TLS only, with a certificate for the address that clients know."""
    if how == "plain":
        return servers.Pair(target, home, conf=conf)
    cert, key = authority.sign("server", address="127.0.0.1")
    config = authority.cert.parent / "tls.properties"
    config.write_text("tls.test.mode.enable=false\ntls.server.certPath=%s\ntls.server.keyPath=%s\n"
                      "tls.client.trustCertPath=%s\n" % (cert, key, authority.cert), encoding="ascii")
    properties = {"tls.server.mode": "enforcing", "tls.enable": "true", "tls.config.file": config}
    return servers.Pair(target, home, conf=conf, properties=properties, tls=trusting_all())


@pytest.fixture(params=["plain", "tls"])
def pair(request, authority, tmp_path):
    with start_pair(request.param, authority, tmp_path) as running:
        yield running


def test_red_messages_arrive(colours, pair, authority, need):
    need("cargo")
    need_cargo()
    more = [str(authority.cert)] if pair.broker.tls else []
    colours([str(built_job())], MESSAGES, *more)


@pytest.mark.parametrize("pair", ["tls"], indirect=True)
def test_servers_of_another_authority_are_refused(pair, need, tmp_path):
    """Goal: the client that trusts somebody else sends nothing: what it trusted above was the certificate."""
    need("cargo")
    need_cargo()
    stranger = Authority(tmp_path / "stranger", "stranger")
    done = subprocess.run([str(built_job()), pair.name_server.address, "colours", "1", str(stranger.cert)],
                          cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert done.returncode == 1 and "sent key" not in done.stdout
    assert "transport.connection.failed" in done.stdout


def prepare(admin):
    """Topics, and the group that pops."""
    for name in sorted(set(FAMILIES) - {"fresh"}):
        topic = "space%family-namespace" if name == "namespace" else "family-" + name
        made = admin.call(17, mq.topic_fields(topic, 4))
        assert made.code == 0, made.remark
    if "pop" not in FAMILIES:
        return
    mode = admin.call(401, body={"topic": "family-pop", "consumerGroup": "readers-pop", "mode": "POP",
                                 "popShareQueueNum": 0})
    assert mode.code == 0, mode.remark


ASKED = "info 0 True, taken 0 True, reset 0"


def ask(broker):
    """Of the consumer of the family `asked`, once it has read everything: what it does; to take the first message; to
    go back to the start. Gives what became of it: ASKED, or why not."""
    topic, group = "family-asked", "readers-asked"
    with broker.connect() as admin:
        def committed(queue):
            answer = admin.call(14, {"consumerGroup": group, "topic": topic, "queueId": queue, "setZeroIfNotFound": False})
            return int(answer.ext["offset"]) if answer.code == 0 else 0

        try:
            servers.wait_until(lambda: sum(committed(queue) for queue in range(4)) == COUNT, 50, "all to be read")
        except TimeoutError as error:
            return str(error)
        client, = admin.call(203, {"consumerGroup": group}).json()["connectionSet"]
        to_client = {"consumerGroup": group, "clientId": client["clientId"], "jstackEnable": False}
        info = admin.call(307, to_client)
        first, = (record for queue in range(4) for record in mq.decode_records(
            admin.call(11, mq.pull_fields("admin", topic, queue)).body) if record.body == b"0")
        taken = admin.call(309, {**to_client, "msgId": first.msg_id, "topic": topic})
        reset = admin.call(222, {"group": group, "topic": topic, "timestamp": 0, "isForce": True})
    return "info %d %s, taken %d %s, reset %d" % (info.code, b"mqTable" in info.body, taken.code,
                                                  b"CR_SUCCESS" in taken.body, reset.code)


@pytest.fixture(scope="module")
def outcomes(need, tmp_path_factory):
    """Gives what families printed on servers that speak so, which it runs once."""
    need("cargo")
    need_cargo()
    return functools.cache(lambda how: run_families(how, tmp_path_factory.mktemp("rust")))


def run_families(how, home):
    """What families printed, run for each family at the same time: family -> (exit code, text)."""
    program = built() / "families"
    authority = Authority(home / "authority")
    more = [str(authority.cert)] if how == "tls" else []
    with start_pair(how, authority, home, CONF, TARGET) as pair:
        with pair.broker.connect() as admin:
            prepare(admin)
        running = {name: subprocess.Popen([program, pair.name_server.address, name, *more], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                   for name in FAMILIES}
        try:
            answers = ask(pair.broker) if "asked" in FAMILIES else ASKED
            texts = {name: process.communicate(timeout=DEADLINE_S)[0] for name, process in running.items()}
        finally:
            for process in running.values():
                process.kill()
                process.wait()
        found = {name: (process.returncode, texts[name]) for name, process in running.items()}
        for name, topic, queues in (("deadletter", "%DLQ%readers-deadletter", 1), ("namespace", "space%family-namespace", 4)):
            if name in found and found[name][0] == 0 and stored(pair.broker, topic, queues) != COUNT:
                found[name] = (1, "%d messages lie in %s" % (stored(pair.broker, topic, queues), topic))
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", HOWS)
def test_family(outcomes, how, family):
    """Goal: what the client offers works as it does with the reference."""
    if (how, family) == ("tls", "trace"):
        pytest.skip("the client's producer of traces is not told whom to trust")
    code, text = outcomes(how)[family]
    assert code == 0, text[-2000:]
