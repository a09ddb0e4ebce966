"""The Node client ali-ons on Ramjet; the clients are node/job.js and node/families.js."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import mini_client as mq
import pytest
import servers

MESSAGES = 400
NODE_DIR = Path(__file__).parent / "node"
TARGET = os.environ.get("INTEROP_TARGET", "ramjet")
FAMILIES = ["retry", "deadletter", "delay", "broadcast", "share", "namespace"]
CONF = {"messageDelayLevel": "1s 2s 3s 4s"}
DEADLINE_S = 300


def install(home):
    """Puts a copy of node/ with its packages there, so that the tree stays as it is."""
    shutil.copytree(NODE_DIR, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=home,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def installed():
    inputs = [NODE_DIR / name for name in ("job.js", "families.js", "package.json", "package-lock.json")]
    return servers.kept("node", inputs, install)


def test_red_messages_arrive(colours, need):
    need("node", "npm")
    colours(["node", str(installed() / "job.js")], MESSAGES)


@pytest.fixture(scope="module")
def outcomes(need, tmp_path_factory):
    """What families.js printed: family -> (passed, reason)."""
    need("node", "npm")
    home = tmp_path_factory.mktemp("node")
    with servers.Pair(TARGET, home, conf=CONF) as pair:
        with pair.broker.connect() as admin:
            for name in FAMILIES:
                topic = ("space%family-" if name == "namespace" else "family-") + name
                made = admin.call(17, mq.topic_fields(topic, 4))
                assert made.code == 0, made.remark
        done = subprocess.run(["node", str(installed() / "families.js"), pair.name_server.address], cwd=home,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "HOME": str(home)}, text=True, timeout=DEADLINE_S, check=False)
    print(done.stdout[-5000:])
    return {found[1]: (found[2] == "pass", found[3])
            for found in re.finditer(r"^family (\S+) (pass|fail)(.*)$", done.stdout, re.M)}


@pytest.mark.parametrize("family", FAMILIES)
def test_family(outcomes, family):
    """Goal: what the client offers works as it does with the reference."""
    passed, reason = outcomes.get(family, (False, "the program ended before"))
    assert passed, reason
