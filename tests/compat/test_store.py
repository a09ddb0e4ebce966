"""One store directory, opened in turn by the reference's broker and by Ramjet."""

import signal

import pytest
from cargo import Cargo
from servers import Broker, NameServer, wait_until

REFERENCES = ("rocketmq-5.3.3", "rocketmq-4.9.7")


@pytest.fixture(scope="module")
def name_server(tmp_path_factory):
    with NameServer("ramjet", tmp_path_factory.mktemp("namesrv")) as server:
        yield server


def broker_on(store, target, name_server, home):
    """A broker of this kind on the directory. The sizes of its files must be the same for both."""
    return Broker(target, home / target, [name_server], store=store)


def expect_with_index(cargo, broker, **how):
    """The reference builds its index behind the log: what is asked too early is asked again."""
    def found():
        try:
            cargo.expect(broker, **how)
            return True
        except AssertionError:
            return False
    try:
        wait_until(found, 10, "the whole content", 0.5)
    except TimeoutError:
        cargo.expect(broker, **how)


@pytest.mark.parametrize("end", (signal.SIGTERM, signal.SIGKILL), ids=("stopped", "killed"))
@pytest.mark.parametrize("reference", REFERENCES)
def test_the_directory_goes_to_and_fro(reference, end, name_server, tmp_path):
    """Goal: either broker finds everything the other stored, and goes on where it ended.
    Method: reference writes, Ramjet reads and writes, reference reads and writes, Ramjet reads; each is ended
    by this signal. Consumer offsets of a killed broker may be older than the last commit: both save them
    every few seconds."""
    store = tmp_path / "store"
    keeps_offsets = end == signal.SIGTERM
    cargo = Cargo()
    for turn, target in enumerate((reference, "ramjet", reference, "ramjet")):
        broker = broker_on(store, target, name_server, tmp_path)
        broker.start()
        try:
            expect_with_index(cargo, broker, offsets=keeps_offsets)
            if turn < 3:
                cargo.load(broker, "turn%d" % turn)
                expect_with_index(cargo, broker)
        finally:
            broker.stop(end)


def test_a_store_in_rocksdb_is_refused(name_server, tmp_path):
    """Goal: a directory whose queues are in RocksDB is not opened, and the log says why."""
    store = tmp_path / "store"
    (store / "consumequeue").mkdir(parents=True)
    (store / "consumequeue" / "CURRENT").write_text("MANIFEST-000001\n")
    broker = broker_on(store, "ramjet", name_server, tmp_path)
    with pytest.raises(RuntimeError, match="store_type_unsupported"):
        broker.start()
