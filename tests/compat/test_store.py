"""One store directory, opened in turn by the reference's broker and by Ramjet."""

import signal

import mini_client as mq
import pytest
from cargo import Cargo
from servers import Broker, wait_until

REFERENCES = ("rocketmq-5.3.3", "rocketmq-4.9.7")


def broker_on(store, target, name_server, home):
    """A broker of this kind on the directory. The sizes of its files must be the same for both."""
    return Broker(target, home / target, [name_server], store=store)


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
            cargo.expect_soon(broker, offsets=keeps_offsets)
            if turn < 3:
                cargo.load(broker, "turn%d" % turn)
                cargo.expect_soon(broker)
        finally:
            broker.stop(end)


@pytest.mark.parametrize("end", (signal.SIGTERM, signal.SIGKILL), ids=("stopped", "killed"))
def test_batch_queues_go_to_and_fro(end, name_server, tmp_path):
    """Goal: inner batches that either broker stored are found by the other, and it goes on behind them. Method: as
    above, with batches of three messages and messages of their own."""
    store = tmp_path / "store"
    expected = []  # queue offsets of the records
    for turn, target in enumerate(("ramjet", "rocketmq-5.3.3", "ramjet", "rocketmq-5.3.3")):
        broker = broker_on(store, target, name_server, tmp_path)
        broker.start()
        try:
            with broker.connect() as connection:
                if turn == 0:
                    make_batch_topic(connection)
                wait_until(lambda: batch_offsets(connection) == expected, 120, "the other's batches", 0.2)
                for _ in range(20):
                    expected.append(send_batch(connection, 3))
                    expected.append(send_batch(connection, 1, key=None))
                wait_until(lambda: batch_offsets(connection) == expected, 120, "its own batches", 0.2)
        finally:
            broker.stop(end)
    assert expected == [4 * (i // 2) + 3 * (i % 2) for i in range(160)]


def make_batch_topic(connection):
    make_topic_with(connection, "bulk", "+queue.type=BatchCQ")


def make_topic_with(connection, topic, attributes):
    answer = connection.call(17, mq.topic_fields(topic, 1, attributes=attributes))
    assert answer.code == 0, answer.remark


def send_batch(connection, count, key="0A0B0C0D0E0F"):
    fields = mq.send_fields("bulk", 0, {"UNIQ_KEY": key} if key else {}, batch=True)
    answer = connection.call(320, fields, mq.encode_batch([(b"m%d" % i, {}) for i in range(count)]))
    assert answer.code == 0, answer.remark
    return int(answer.ext["queueOffset"])


def batch_offsets(connection):
    """The queue offset of every record, read from the first message on."""
    offset, offsets = 0, []
    while True:
        answer = connection.call(11, mq.pull_fields("compat_group", "bulk", 0, offset))
        if answer.code != 0:
            return offsets
        offsets += [record.queue_offset for record in mq.decode_records(answer.body)]
        offset = int(answer.ext["nextBeginOffset"])


@pytest.mark.parametrize("end", (signal.SIGTERM, signal.SIGKILL), ids=("stopped", "killed"))
def test_light_queues_go_to_and_fro(end, name_server, tmp_path):
    """Goal: what either broker put into light queues (LMQ) is found by the other, which goes on numbering where it ended,
    and so are the offsets of light groups. Method: as above; each message goes to two of three light queues."""
    store = tmp_path / "store"
    expected = {"%LMQ%a": [], "%LMQ%b": [], "%LMQ%c": []}
    number = 0
    for turn, target in enumerate(("rocketmq-5.3.3", "ramjet", "rocketmq-5.3.3", "ramjet")):
        broker = Broker(target, tmp_path / target, [name_server], store=store,
                        conf={"enableLmq": "true", "enableMultiDispatch": "true"})
        broker.start()
        try:
            with broker.connect() as connection:
                wait_until(lambda: light_bodies(connection) == expected, 120, "the other's messages", 0.2)
                if turn > 0 and end == signal.SIGTERM:
                    answer = connection.call(14, {"consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": 0})
                    assert (answer.code, int(answer.ext["offset"])) == (0, turn)
                for i in range(20):
                    names = [name for k, name in enumerate(expected) if (number + k) % 3 != 0]
                    number += 1
                    fields = mq.send_fields("light_parent", i % 4, {"INNER_MULTI_DISPATCH": ",".join(names)})
                    assert connection.call(310, fields, b"m%d" % number).code == 0
                    for name in names:
                        expected[name].append((b"m%d" % number, len(expected[name])))
                wait_until(lambda: light_bodies(connection) == expected, 120, "its own messages", 0.2)
                assert connection.call(15, {"consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": 0,
                                            "commitOffset": turn + 1}).code == 0
        finally:
            broker.stop(end)


def light_bodies(connection):
    """What each light queue holds: bodies and the places the records say, read from the first on."""
    found = {}
    for name in ("%LMQ%a", "%LMQ%b", "%LMQ%c"):
        found[name] = []
        answer = connection.call(11, mq.pull_fields("%LMQ%reader", name, 0, 0))
        while answer.code == 0:
            for record in mq.decode_records(answer.body):
                places = dict(zip(record.properties["INNER_MULTI_DISPATCH"].split(","),
                                  map(int, record.properties["INNER_MULTI_QUEUE_OFFSET"].split(","))))
                found[name].append((record.body, places[name]))
            answer = connection.call(11, mq.pull_fields("%LMQ%reader", name, 0, int(answer.ext["nextBeginOffset"])))
    return found


@pytest.mark.parametrize("end", (signal.SIGTERM, signal.SIGKILL), ids=("stopped", "killed"))
def test_compacted_topics_go_to_and_fro(end, name_server, tmp_path):
    """Goal: either broker reads the newest message of each key that the other copied or compacted, and goes on behind
    it. Method: as above, with files of twenty messages that are compacted each second."""
    store = tmp_path / "store"
    expected, number = {}, 0
    for target in ("rocketmq-5.3.3", "ramjet", "rocketmq-5.3.3", "ramjet"):
        broker = Broker(target, tmp_path / target, [name_server], store=store,
                        conf={"compactionMappedFileSize": 9200, "compactionCqMappedFileSize": 920,
                              "compactionScheduleInternal": 1000})
        broker.start()
        try:
            with broker.connect() as connection:
                if number == 0:
                    make_topic_with(connection, "kv", "+cleanup.policy=COMPACTION")
                wait_until(lambda: compacted_view(connection)[0] == expected, 120, "the other's messages", 0.2)
                for _ in range(100):
                    key, number = "k%d" % (number % 5), number + 1
                    assert connection.call(310, mq.send_fields("kv", 0, {"KEYS": key}), b"%d" % number).code == 0
                    expected[key] = b"%d" % number

                def is_compacted():
                    newest, count = compacted_view(connection)
                    return newest == expected and count < 60
                wait_until(is_compacted, 120, "a compaction by %s" % target, 0.2)
        finally:
            broker.stop(end)
        for replaced in store.glob("compaction/*/kv/0/*.delete"):
            assert target != "ramjet"
            replaced.unlink()  # somebody was reading it when it was replaced: the reference does not start with it


def compacted_view(connection):
    """The newest message of each key, and how many messages there are, read from the first on."""
    newest, count, offset = {}, 0, 0
    while True:
        answer = connection.call(11, mq.pull_fields("compat_group", "kv", 0, offset))
        if answer.code not in (0, 20) or int(answer.ext["nextBeginOffset"]) <= offset:
            return newest, count
        offset = int(answer.ext["nextBeginOffset"])
        for record in mq.decode_records(answer.body) if answer.code == 0 else ():
            newest[record.properties["KEYS"]] = record.body
            count += 1


def test_a_store_in_rocksdb_is_refused(name_server, tmp_path):
    """Goal: a directory whose queues are in RocksDB is not opened, and the log says why."""
    store = tmp_path / "store"
    (store / "consumequeue").mkdir(parents=True)
    (store / "consumequeue" / "CURRENT").write_text("MANIFEST-000001\n")
    broker = broker_on(store, "ramjet", name_server, tmp_path)
    with pytest.raises(RuntimeError, match="store_type_unsupported"):
        broker.start()
