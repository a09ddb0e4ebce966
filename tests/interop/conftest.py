"""What the interop tests share: a name server and a broker, and clients that run as processes."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import servers  # noqa: E402


@pytest.fixture
def pair(tmp_path):
    with servers.Pair("ramjet", tmp_path) as running:
        yield running


@pytest.fixture
def need():
    """Skips where a tool is missing; where everything must run (CI is set) that is a failure."""

    def check(*tools):
        missing = [tool for tool in tools if not shutil.which(tool)]
        if missing and os.environ.get("CI"):
            pytest.fail("not installed: " + ", ".join(missing))
        if missing:
            pytest.skip("not installed: " + ", ".join(missing))

    return check
