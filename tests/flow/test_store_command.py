"""`ramjet store check`: what it says of a directory, and why it cannot look at one. Ramjet only: the reference has none."""

import subprocess

import pytest

import servers
from conftest import BROKER_CONF, make_topic, send

COULD_NOT_LOOK = 2


@pytest.fixture(autouse=True)
def ramjet_only(target):
    if target != "ramjet":
        pytest.skip("the reference has no such command")


def check(directory, *more):
    done = subprocess.run([servers.ramjet_binary(), "store", "check", directory, *more], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, done.stderr.rstrip("\n").split("\n")[-1]


def expect_why(directory, why, *more):
    assert check(directory, *more) == (COULD_NOT_LOOK, "", "ramjet store check: %s: %s" % (directory, why))


def test_a_store_that_is_whole(target, tmp_path):
    """Goal: while a broker has it, the tool says so; then it looks, and finds nothing wrong."""
    with servers.Pair(target, tmp_path, conf=BROKER_CONF) as pair:
        with pair.broker.connect() as connection:
            make_topic(connection, "checked")
            for number in range(3):
                send(connection, "checked", b"m%d" % number)
        store = pair.broker.store
        expect_why(store, "a broker has it open: stop it first")
        assert pair.broker.stop() == 0
    code, said, _ = check(store)
    assert code == 0 and said.endswith("nothing is wrong\n"), said


def test_a_directory_that_is_not_there(tmp_path):
    """Goal: the error of the system, in words."""
    expect_why(tmp_path / "none", "no store there: No such file or directory")


def test_a_directory_without_a_log(tmp_path):
    """Goal: where the log was looked for."""
    expect_why(tmp_path, "no commit log: %s/commitlog: No such file or directory (--commit-log names another place)" % tmp_path)
    other = tmp_path / "other"
    expect_why(tmp_path, "no commit log: %s: No such file or directory (--commit-log names another place)" % other,
               "--commit-log", other)


def test_the_directory_around_the_store(tmp_path):
    """Goal: who gives the directory of `ramjet --data` is told where the store in it is."""
    (tmp_path / "store/commitlog").mkdir(parents=True)
    expect_why(tmp_path, "no commit log; the store is %s/store" % tmp_path)


def test_a_log_without_files(tmp_path):
    """Goal: what was looked for; files of others are none of the log's."""
    log = tmp_path / "commitlog"
    log.mkdir()
    (log / "readme.txt").touch()
    expect_why(tmp_path, "no commit log: %s has no file that is named by a number, the place it begins at" % log)


def test_a_file_that_cannot_be_opened(tmp_path):
    """Goal: the file and the error of the system are in the line above. Method: a directory has its name."""
    path = tmp_path / "commitlog" / ("%020d" % 0)
    path.mkdir(parents=True)
    done = check(tmp_path)
    assert done[0] == COULD_NOT_LOOK
    assert done[2] == "ramjet store check: %s: io; the line above names the file and the errno" % tmp_path
