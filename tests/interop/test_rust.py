"""The Rust client rocketmq-client-rust on Ramjet; the clients are rust/src/main.rs and rust/src/bin/families.rs."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import servers
from certificates import Authority, trusting_all

MESSAGES = 400
TARGET = os.environ.get("INTEROP_TARGET", "ramjet")
FAMILIES = ["retry", "orderly", "sql", "delay", "timer", "transaction"]
CONF = {"messageDelayLevel": "1s 2s 3s 4s", "enablePropertyFilter": "true", "transactionCheckInterval": 1000,
        "transactionTimeOut": 1000}
DEADLINE_S = 300
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
    return servers.kept("rust", [RUST_DIR / path for path in ("Cargo.toml", "src/main.rs", "src/bin/families.rs")], build)


def built_job():
    return built() / "interop-rust"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture(params=["plain", "tls"])
def pair(request, authority, tmp_path):
    """As the other tests' pair, or speaking TLS only, with a certificate for the address that clients know."""
    if request.param == "plain":
        with servers.Pair("ramjet", tmp_path) as running:
            yield running
        return
    cert, key = authority.sign("server", address="127.0.0.1")
    config = tmp_path / "tls.properties"
    config.write_text("tls.test.mode.enable=false\ntls.server.certPath=%s\ntls.server.keyPath=%s\n"
                      "tls.client.trustCertPath=%s\n" % (cert, key, authority.cert), encoding="ascii")
    properties = {"tls.server.mode": "enforcing", "tls.enable": "true", "tls.config.file": config}
    with servers.Pair("ramjet", tmp_path, properties=properties, tls=trusting_all()) as running:
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


@pytest.fixture(scope="module")
def outcomes(need, tmp_path_factory):
    """What families printed, run for each family at the same time: family -> (exit code, text)."""
    need("cargo")
    need_cargo()
    program = built() / "families"
    with servers.Pair(TARGET, tmp_path_factory.mktemp("rust"), conf=CONF) as pair:
        with pair.broker.connect() as admin:
            for name in FAMILIES:
                made = admin.call(17, {"topic": "family-" + name, "defaultTopic": "TBW102", "perm": 6,
                                       "readQueueNums": 4, "writeQueueNums": 4, "topicSysFlag": 0,
                                       "order": False, "topicFilterType": "SINGLE_TAG"})
                assert made.code == 0, made.remark
        running = {name: subprocess.Popen([program, pair.name_server.address, name], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                   for name in FAMILIES}
        try:
            texts = {name: process.communicate(timeout=DEADLINE_S)[0] for name, process in running.items()}
        finally:
            for process in running.values():
                process.kill()
                process.wait()
    return {name: (process.returncode, texts[name]) for name, process in running.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_family(outcomes, family):
    """Goal: what the client offers works as it does with the reference."""
    code, text = outcomes[family]
    assert code == 0, text[-2000:]
