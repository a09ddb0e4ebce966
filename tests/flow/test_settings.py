"""What a broker makes of its settings when it starts."""

import socket
import subprocess

import pytest
from servers import Broker, NameServer, ramjet_binary

RELIED_ON = ["aclEnable", "authenticationEnabled", "authorizationEnabled", "enableControllerMode", "enableDLegerCommitLog"]


def start(tmp_path, **conf):
    """Starts a broker that ends by itself, with -p or because of its settings."""
    path = tmp_path / "broker.conf"
    path.write_text("".join("%s=%s\n" % pair for pair in conf.items()), encoding="ascii")
    return subprocess.run([str(ramjet_binary()), "broker", "-c", str(path), "-p"], cwd=tmp_path, timeout=60,
                          capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def ramjet_only(is_ramjet):
    if not is_ramjet:
        pytest.skip("what Ramjet says of its own settings")


@pytest.mark.parametrize("key", RELIED_ON)
def test_a_broker_that_is_believed_guarded_does_not_start(tmp_path, key):
    """Goal: who switches on what is not there is told so by name, and has no broker that goes without it."""
    done = start(tmp_path, **{key: "true"})
    assert done.returncode == 2 and '"%s"' % key in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "broker.conf"]


@pytest.mark.parametrize("key", RELIED_ON)
def test_the_default_of_what_is_not_there_says_nothing(tmp_path, key):
    """Goal: a file that names such a key with its default is taken in silence."""
    done = start(tmp_path, **{key: "false"})
    assert done.returncode == 0 and key not in done.stderr, done.stderr


def test_a_setting_without_effect_is_told(tmp_path):
    """Goal: a key that changes nothing is a warning that names it."""
    done = start(tmp_path, transientStorePoolEnable="true")
    assert done.returncode == 0 and '"transientStorePoolEnable" has no effect: ' in done.stderr


def test_a_port_that_is_taken_ends_the_start(tmp_path):
    """Goal: who cannot listen says so and ends, on a new directory and on one that is there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "broker.conf"
        path.write_text("listenPort=%d\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nstorePathRootDir=%s\n"
                        "mappedFileSizeCommitLog=1048576\n" % (port, tmp_path / "store"), encoding="ascii")
        for _ in range(2):
            done = subprocess.run([str(ramjet_binary()), "broker", "-c", str(path)], cwd=tmp_path, timeout=60,
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 1 and "listen_failed" in done.stderr, done
    assert not (tmp_path / "store/abort").exists()


def test_blanks_between_name_servers_do_not_count(tmp_path):
    """Goal: a list that people wrote by hand, with a blank behind each mark and a mark too many, names who it means."""
    with NameServer("ramjet", tmp_path / "first") as first, NameServer("ramjet", tmp_path / "second") as second:
        names = "; %s; %s ;" % (first.address, second.address)
        with Broker("ramjet", tmp_path / "broker", [first, second], conf={"namesrvAddr": names}):
            pass  # started: it is registered at both


def test_a_list_of_no_name_server_is_none(tmp_path):
    """Goal: a broker with nothing but marks in the list starts, as one without a list does."""
    with Broker("ramjet", tmp_path / "broker", [], conf={"namesrvAddr": " ; "}):
        pass
