"""The Rust client rocketmq-client-rust on Ramjet; the client is rust/src/main.rs."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import servers

MESSAGES = 400
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


def built_job():
    """The program; its crates take minutes the first time."""
    target = servers.cache_dir() / "interop" / "rust"
    done = subprocess.run(["cargo", "build", "--quiet", "--target-dir", str(target)],
                          cwd=RUST_DIR, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return target / "debug" / "interop-rust"


def test_red_messages_arrive(colours, need):
    need("cargo")
    need_cargo()
    colours([str(built_job())], MESSAGES)
