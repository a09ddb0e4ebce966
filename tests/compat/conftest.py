"""Ramjet and the reference's broker on one store directory, and in one cluster."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from servers import NameServer  # noqa: E402


@pytest.fixture(scope="module")
def name_server(tmp_path_factory):
    with NameServer("ramjet", tmp_path_factory.mktemp("namesrv")) as server:
        yield server
