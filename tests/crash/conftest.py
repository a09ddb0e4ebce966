"""Crash tests run one Ramjet broker and kill it; the store is looked at through the protocol only."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from servers import Broker, NameServer  # noqa: E402


@pytest.fixture(scope="session")
def name_server(tmp_path_factory):
    with NameServer("ramjet", tmp_path_factory.mktemp("namesrv")) as server:
        yield server


@pytest.fixture
def broker(name_server, tmp_path, request):
    """A broker with small log files, so that a test rolls through several. Settings by marker `conf`."""
    marker = request.node.get_closest_marker("conf")
    conf = {"mappedFileSizeCommitLog": 1 << 20, "mappedFileSizeConsumeQueue": 20000}
    conf.update(marker.kwargs if marker else {})
    server = Broker("ramjet", tmp_path / "broker", [name_server], name=request.node.name[:60], conf=conf)
    yield server
    server.stop()


def pytest_configure(config):
    config.addinivalue_line("markers", "conf(**keys): broker settings of this test")
