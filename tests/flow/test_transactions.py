"""Transactions: half messages, their end, checks, giving up. Checks here come each half second, to
transactions older than a second, three times."""

import json
import time

import mini_client as mq
import pytest
import servers
from conftest import BROKER_CONF, differs, expect_not_before, heartbeat, make_topic, max_offset, pull_all
from servers import wait_until

HALF, OPS, GIVEN_UP = ("RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
                       "TRANS_CHECK_MAX_TIME_TOPIC")
UNKNOWN, COMMIT, ROLLBACK = 0, 8, 12


@pytest.fixture(scope="module")
def pair(target, tmp_path_factory):
    """Servers of these tests' own, for checks are the business of the whole broker."""
    conf = {**BROKER_CONF, "transactionTimeOut": 1000, "transactionCheckInterval": 500,
            "transactionCheckMax": 3, "transactionOpBatchInterval": 300}
    with servers.Pair(target, tmp_path_factory.mktemp("txn"), conf=conf) as both:
        yield both


class Half:
    """A half message as its producer knows it."""

    def __init__(self, connection, topic, group, body=b"money", properties=None, **more):
        self.connection, self.topic, self.group = connection, topic, group
        self.properties = {"TRAN_MSG": "true", "PGROUP": group,
                           "UNIQ_KEY": "%032X" % (time.time_ns() & (1 << 128) - 1), **(properties or {})}
        self.answer = connection.call(
            310, mq.send_fields(topic, 1, self.properties, sysFlag=4, producerGroup=group, **more), body)
        if self.answer.code == 0:
            self.offset = int(self.answer.ext["queueOffset"])
            self.phy_offset = mq.phy_offset_of(self.answer.ext["msgId"])
            wait_until(lambda: max_offset(connection, HALF) > self.offset)

    def end_fields(self, how, **more):
        fields = {"topic": self.topic, "producerGroup": self.group, "tranStateTableOffset": self.offset,
                  "commitLogOffset": self.phy_offset, "commitOrRollback": how,
                  "fromTransactionCheck": False, "msgId": self.properties["UNIQ_KEY"],
                  "transactionId": self.answer.ext["transactionId"]}
        fields.update(more)
        return fields

    def end(self, how, **more):
        return self.connection.call(37, self.end_fields(how, **more))

    def record(self):
        return pull_all(self.connection, "reader", HALF, offset=self.offset)[0]


@pytest.fixture
def half(broker, topic, group):
    """Makes half messages of one producer group."""
    return lambda body=b"money", properties=None, **more: Half(broker, topic, group, body, properties,
                                                               **more)


@pytest.fixture
def producer(connect, group):
    """A producer of the group, which is asked about its transactions."""
    connection = connect()
    heartbeat(connection, "producer@1", producers=[group])
    return connection


def count_of(broker, topic):
    return max_offset(broker, topic, 1)


def op_records(broker):
    """The half offsets in each op record."""
    end = max_offset(broker, OPS)
    records = pull_all(broker, "reader", OPS, count=end) if end else []
    return [[int(n) for n in record.body.decode().split(",") if n] for record in records]


def noted(broker):
    """The half offsets in all op records."""
    return [offset for ended in op_records(broker) for offset in ended]


def next_check(producer, transaction_id, timeout=None):
    """The next question about this transaction."""
    while True:
        asked = producer.receive_push(timeout, code=39)
        if asked.ext["transactionId"] == transaction_id:
            return asked


def expect_no_check(producer, transaction_id, seconds):
    """No question about this transaction that was not under way already."""
    producer.call(28)
    producer.pushed.clear()
    with pytest.raises(TimeoutError):
        next_check(producer, transaction_id, seconds)


def answer_check(producer, half, asked, how):
    producer.oneway(37, half.end_fields(how, tranStateTableOffset=asked.ext["tranStateTableOffset"],
                                         commitLogOffset=asked.ext["commitLogOffset"],
                                         fromTransactionCheck=True))


def saved_count(server, topic):
    """What config/transactionMetrics says waits for a topic."""
    path = server.store / "config" / "transactionMetrics"
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))["transactionCount"]
    except (FileNotFoundError, ValueError):  # not written yet; the reference puts it away while it does
        return None
    return counts.get(topic, {}).get("count")


# ---- half, commit, rollback ----------------------------------------------------------------------


def test_half_message_is_seen_when_committed(broker, topic, half):
    """Goal: nothing on the topic before the commit, the message after it, tied to its half."""
    waiting = half(properties={"TAGS": "t", "KEYS": "k"})
    assert waiting.answer.ext["queueId"] == "1"
    assert count_of(broker, topic) == 0
    answer = waiting.end(COMMIT)
    assert answer.code == 0 and answer.ext == {}
    record, = pull_all(broker, "reader", topic, queue_id=1)
    assert record.body == b"money" and record.sys_flag & 12 == COMMIT
    assert record.prepared_offset == waiting.phy_offset
    assert record.properties["TAGS"] == "t" and record.properties["UNIQ_KEY"] == \
        waiting.properties["UNIQ_KEY"]
    assert record.properties["PGROUP"] == waiting.group


def test_half_messages_count_as_put(broker, half):
    """Goal: the figures of puts have them, too."""
    def put_times():
        return int(broker.call(28).json()["table"]["putMessageTimesTotal"])
    before = put_times()
    waiting = [half() for _ in range(10)]
    wait_until(lambda: put_times() >= before + 10, 30, "ten puts more")
    assert all(one.end(ROLLBACK).code == 0 for one in waiting)


def test_half_record_is_as_the_reference_writes_it(broker, topic, half):
    """Goal: half topic, queue 0, no transaction bits; real topic and queue in properties."""
    record = half().record()
    assert (record.topic, record.queue_id, record.sys_flag & 12) == (HALF, 0, 0)
    assert record.properties["REAL_TOPIC"] == topic and record.properties["REAL_QID"] == "1"
    assert record.properties["__transactionId__"] == record.properties["UNIQ_KEY"]
    assert record.properties["TRAN_MSG"] == "true" and "PGROUP" in record.properties


def test_rolled_back_message_never_comes(broker, topic, half):
    """Goal: a rollback is answered 0 and noted; nothing is delivered, nobody asked."""
    waiting = half()
    assert waiting.end(ROLLBACK).code == 0
    wait_until(lambda: waiting.offset in noted(broker), what="the op record")
    assert count_of(broker, topic) == 0


def test_op_record_is_as_the_reference_writes_it(broker, half):
    """Goal: tag d, WAIT, half offsets with a comma behind each, queue 0."""
    waiting = half()
    assert waiting.end(COMMIT).code == 0
    wait_until(lambda: waiting.offset in noted(broker), what="the op record")
    record = pull_all(broker, "reader", OPS, count=max_offset(broker, OPS))[-1]
    assert record.queue_id == 0 and record.body.endswith(b",")
    assert record.properties == {"TAGS": "d", "WAIT": "true"}


def test_ends_share_an_op_record(broker, half):
    """Goal: what ends within transactionOpBatchInterval is noted together."""
    waiting = [half() for _ in range(20)]
    for one in waiting:
        broker.oneway(37, one.end_fields(COMMIT))
    own = {one.offset for one in waiting}
    wait_until(lambda: own <= set(noted(broker)), what="the op records")
    assert sum(bool(own & set(ended)) for ended in op_records(broker)) < 10


def test_oneway_commit_is_done(broker, topic, half):
    """Goal: clients end transactions one-way."""
    waiting = half()
    broker.oneway(37, waiting.end_fields(COMMIT))
    wait_until(lambda: count_of(broker, topic) == 1, what="the message")


def test_unknown_is_not_answered(broker, topic, half):
    """Goal: commitOrRollback 0 has no answer, not even when one is asked for."""
    waiting = half()
    opaque = broker.send(37, waiting.end_fields(UNKNOWN))
    assert count_of(broker, topic) == 0  # later requests are answered
    with pytest.raises(TimeoutError):
        broker.receive(opaque, 0.3)


def test_other_ends_are_refused(broker, topic, half):
    """Goal: a value that is neither commit nor rollback nor unknown ends nothing."""
    waiting = half()
    assert waiting.end(4).code == 1
    assert count_of(broker, topic) == 0
    assert waiting.end(COMMIT).code == 0


def test_delay_inside_a_half_counts_from_the_commit(broker, topic, half, is_ramjet):
    """Goal: a half with a delay level is a half; committed, it waits for its level."""
    if not is_ramjet:
        pytest.skip("the reference puts such a half on the delay topic and drops it when it is due")
    waiting = half(properties={"DELAY": "1"})
    assert waiting.record().topic == HALF
    begin_ms = mq.now_ms()
    assert waiting.end(COMMIT).code == 0
    expect_not_before(broker, topic, begin_ms + 1000, 1)
    wait_until(lambda: count_of(broker, topic) == 1, 60, "the message")


def test_timer_inside_a_half_counts_from_the_commit(broker, topic, half, is_ramjet):
    """Goal: the same for a message with a time of its own; a time that would be refused is refused at once."""
    if not is_ramjet:
        pytest.skip("the reference puts such a half on the timer topic")
    assert half(properties={"TIMER_DELAY_SEC": "99999999"}).answer.code == 13
    waiting = half(properties={"TIMER_DELAY_MS": "1500"})
    assert waiting.record().topic == HALF
    begin_ms = mq.now_ms()
    assert waiting.end(COMMIT).code == 0
    expect_not_before(broker, topic, begin_ms + 1500, 1)
    wait_until(lambda: count_of(broker, topic) == 1, 60, "the message")
    record, = pull_all(broker, "reader", topic, queue_id=1)
    assert record.body == b"money"


# ---- what is refused -----------------------------------------------------------------------------


def test_repeated_commit_stores_once(broker, topic, half, target):
    """Goal: the second commit is answered like the first and stores nothing."""
    first, waiting = half(), half()  # while the first waits, it is known how the second ended
    assert waiting.end(COMMIT).code == 0
    assert waiting.end(COMMIT).code == 0
    assert first.end(ROLLBACK).code == 0
    twice = differs(target, 2, 1, "the reference does not notice that it was committed before")
    wait_until(lambda: count_of(broker, topic) == twice)


def test_commit_after_rollback_is_refused(broker, topic, half, target):
    """Goal: what was rolled back is never delivered."""
    waiting = half()
    assert waiting.end(ROLLBACK).code == 0
    assert waiting.end(COMMIT).code == differs(target, 0, 604, "the reference delivers it")
    expected = differs(target, 1, 0, "the reference delivers it")
    wait_until(lambda: count_of(broker, topic) == expected)


def test_rollback_after_commit_changes_nothing(broker, topic, half):
    """Goal: it is answered 0; the message stays."""
    first, waiting = half(), half()  # while the first waits, it is known how the second ended
    assert waiting.end(COMMIT).code == 0
    assert waiting.end(ROLLBACK).code == 0
    assert first.end(ROLLBACK).code == 0
    assert len(pull_all(broker, "reader", topic, queue_id=1)) == 1


@pytest.mark.parametrize("wrong", [
    {"producerGroup": "somebody_else"}, {"tranStateTableOffset": 999999}, {"tranStateTableOffset": -1},
    {"commitLogOffset": 7}, {"commitLogOffset": 1 << 50}, {"commitLogOffset": -1}],
    ids=lambda wrong: "%s=%s" % next(iter(wrong.items())))
def test_made_up_place_or_group_is_refused(broker, topic, half, wrong):
    """Goal: it is answered 1, nothing is stored, and the right one still works."""
    waiting = half()
    for how in (COMMIT, ROLLBACK):
        answer = waiting.end(how, **wrong)
        assert answer.code == 1 and answer.remark
    assert count_of(broker, topic) == 0
    assert waiting.end(COMMIT).code == 0
    wait_until(lambda: count_of(broker, topic) == 1)


def test_place_of_another_message_is_refused(broker, topic, half):
    """Goal: an offset of an ordinary message, or of another half, ends nothing."""
    waiting, other = half(), half()
    plain = broker.call(310, mq.send_fields(topic, 2), b"plain")
    for place in (mq.phy_offset_of(plain.ext["msgId"]), other.phy_offset):
        assert waiting.end(COMMIT, commitLogOffset=place).code == 1
    assert count_of(broker, topic) == 0


def test_altered_transaction_id_is_refused(broker, topic, half, target):
    """Goal: an id that is not the message's ends nothing; without one the places suffice."""
    waiting = half()
    assert waiting.end(COMMIT, transactionId="00000000").code == \
        differs(target, 0, 604, "the reference does not look at it")
    assert waiting.end(COMMIT, transactionId=None).code == 0
    wait_until(lambda: count_of(broker, topic) == differs(target, 2, 1, "as above"))


def test_transactions_can_be_switched_off(broker, half):
    """Goal: rejectTransactionMessage refuses halves with 16."""
    try:
        assert broker.call(25, body=b"rejectTransactionMessage=true").code == 0
        assert half().answer.code == 16
    finally:
        assert broker.call(25, body=b"rejectTransactionMessage=false").code == 0
    assert half().answer.code == 0


def test_batch_with_transaction_bits_is_refused(broker, topic):
    """Goal: a batch has no transaction: 13, nothing stored."""
    body = mq.encode_batch([(b"a", {}), (b"b", {})])
    answer = broker.call(320, mq.send_fields(topic, 1, batch=True, sysFlag=4), body)
    assert answer.code == 13
    assert count_of(broker, topic) == 0


def test_transaction_bits_alone_are_refused(broker, topic, target):
    """Goal: a message nobody would ever see is not taken."""
    answer = broker.call(310, mq.send_fields(topic, 1, sysFlag=4), b"invisible")
    assert answer.code == differs(target, 0, 13, "the reference stores it where nobody can read it")


# ---- checks --------------------------------------------------------------------------------------


def test_producer_is_asked_and_its_answer_counts(broker, topic, half, producer):
    """Goal: a half that nobody ends is asked about with the whole message and the place of its new
    copy; the answer commits it."""
    waiting = half(properties={"TAGS": "t"})
    asked = next_check(producer, waiting.properties["UNIQ_KEY"])
    assert asked.flag & mq.ONEWAY and asked.ext["topic"] == HALF
    assert asked.ext["msgId"] == asked.ext["transactionId"] == waiting.properties["UNIQ_KEY"]
    assert int(asked.ext["tranStateTableOffset"]) > waiting.offset
    assert mq.phy_offset_of(asked.ext["offsetMsgId"]) == int(asked.ext["commitLogOffset"])
    assert asked.ext["bname"] == "broker-a"
    record, = mq.decode_records(asked.body)
    assert (record.topic, record.queue_id, record.body) == (topic, 1, b"money")
    assert record.properties["TAGS"] == "t" and record.properties["TRANSACTION_CHECK_TIMES"] == "1"
    answer_check(producer, waiting, asked, COMMIT)
    wait_until(lambda: count_of(broker, topic) == 1, what="the message")


def test_answer_to_a_check_can_roll_back(broker, topic, half, producer):
    """Goal: and after it nobody asks again."""
    waiting = half()
    asked = next_check(producer, waiting.properties["UNIQ_KEY"])
    answer_check(producer, waiting, asked, ROLLBACK)
    wait_until(lambda: int(asked.ext["tranStateTableOffset"]) in noted(broker))
    expect_no_check(producer, waiting.properties["UNIQ_KEY"], 2)
    assert count_of(broker, topic) == 0


def test_another_producer_of_the_group_is_asked(topic, broker, connect, name):
    """Goal: the death of who sent the half does not matter. Method: it is closed at once."""
    group = name("group")
    first, second = connect(), connect()
    heartbeat(first, "producer@1", producers=[group])
    heartbeat(second, "producer@2", producers=[group])
    waiting = Half(first, topic, group)
    first.close()
    asked = next_check(second, waiting.properties["UNIQ_KEY"])
    answer_check(second, waiting, asked, COMMIT)
    wait_until(lambda: count_of(broker, topic) == 1, what="the message")


def test_commit_that_comes_after_a_check_counts_once(broker, topic, half, producer, target):
    """Goal: a producer that was slow names the old place; the message is stored once."""
    waiting = half()
    asked = next_check(producer, waiting.properties["UNIQ_KEY"])
    assert waiting.end(COMMIT).code == 0
    answer_check(producer, waiting, asked, COMMIT)
    expected = differs(target, 2, 1, "the reference takes the copy for another message")
    wait_until(lambda: count_of(broker, topic) == expected)
    if target == "ramjet":
        expect_no_check(producer, waiting.properties["UNIQ_KEY"], 2)
        assert count_of(broker, topic) == 1


def test_given_up_after_so_many_checks(broker, topic, half, producer):
    """Goal: three questions without an answer, then the half goes to the topic of those given up;
    RESUME_CHECK_HALF_MESSAGE puts it back, and the producer is asked again."""
    waiting = half()
    key = waiting.properties["UNIQ_KEY"]
    times = [mq.decode_records(next_check(producer, key).body)[0].properties["TRANSACTION_CHECK_TIMES"]
             for _ in range(3)]
    assert times == ["1", "2", "3"]

    def given_up():
        if max_offset(broker, GIVEN_UP) == 0:
            return None
        found = [r for r in pull_all(broker, "reader", GIVEN_UP) if r.properties["UNIQ_KEY"] == key]
        return found and found[0]

    record = wait_until(given_up, 60, "the half to be given up")
    assert record.queue_id == 0 and record.properties["REAL_TOPIC"] == topic
    assert record.properties["TRANSACTION_CHECK_TIMES"] == "3"
    assert broker.call(323, {"topic": GIVEN_UP, "msgId": record.msg_id}).code == 0
    asked = next_check(producer, key)
    answer_check(producer, waiting, asked, COMMIT)
    wait_until(lambda: count_of(broker, topic) == 1, what="the message")


@pytest.mark.parametrize("msg_id", ["", "nonsense", mq.offset_msg_id("127.0.0.1:1", 1 << 40)])
def test_resume_of_nothing_is_refused(broker, msg_id):
    """Goal: an id that names no message is answered 1."""
    answer = broker.call(323, {"topic": GIVEN_UP, "msgId": msg_id})
    assert answer.code == 1 and answer.remark


def test_resume_of_another_message_is_refused(broker, topic, target):
    """Goal: only a half that was given up is put back."""
    sent = broker.call(310, mq.send_fields(topic, 1), b"plain")
    before = max_offset(broker, HALF)
    answer = broker.call(323, {"topic": topic, "msgId": sent.ext["msgId"]})
    assert answer.code == differs(target, 0, 1, "the reference puts any message on the half topic")
    if target == "ramjet":
        assert max_offset(broker, HALF) == before


# ---- immunity ------------------------------------------------------------------------------------


def test_immune_half_is_not_asked_about(broker, half, producer, is_ramjet):
    """Goal: CHECK_IMMUNITY_TIME_IN_SECONDS: no question before that age, one after it."""
    if not is_ramjet:
        pytest.skip("the reference counts each copy of an immune half as a check, and gives this one up "
                    "without a question")
    begin = time.monotonic()
    waiting = half(properties={"CHECK_IMMUNITY_TIME_IN_SECONDS": "4"})
    asked = next_check(producer, waiting.properties["UNIQ_KEY"])
    assert time.monotonic() - begin > 3.9
    properties = mq.decode_records(asked.body)[0].properties
    assert int(properties["TRAN_PREPARED_QUEUE_OFFSET"]) == waiting.offset
    answer_check(producer, waiting, asked, ROLLBACK)


def test_commit_while_immune_counts(broker, topic, half, producer, is_ramjet):
    """Goal: the producer's own place ends the half although copies of it were stored since."""
    waiting = half(properties={"CHECK_IMMUNITY_TIME_IN_SECONDS": "6"})
    wait_until(lambda: max_offset(broker, HALF) > waiting.offset + 2, 60, "copies")
    assert waiting.end(COMMIT).code == 0
    wait_until(lambda: count_of(broker, topic) == 1, what="the message")
    if is_ramjet:
        expect_no_check(producer, waiting.properties["UNIQ_KEY"], 8)


def test_late_commit_of_an_immune_half_is_refused(broker, topic, half):
    """Goal: when the immunity time is over the producer will be asked: 604 until then."""
    waiting = half(properties={"CHECK_IMMUNITY_TIME_IN_SECONDS": "1"}, bornTimestamp=mq.now_ms() - 5000)
    for how in (COMMIT, ROLLBACK):
        assert waiting.end(how).code == 604
    assert count_of(broker, topic) == 0
    assert make_topic(broker, topic) == topic


# ---- counts --------------------------------------------------------------------------------------


def test_waiting_halves_are_counted_in_a_file(target, tmp_path):
    """Goal: config/transactionMetrics tells how many halves wait for a topic, also after a restart; ends count down.
    Method: a broker that never asks about them."""
    conf = {**BROKER_CONF, "transactionTimeOut": 3600000, "transactionMetricFlushInterval": 200}
    with servers.Pair(target, tmp_path, conf=conf) as both:
        with both.broker.connect() as connection:
            topic = make_topic(connection, "counted")
            waiting = [Half(connection, topic, "producers") for _ in range(3)]
            wait_until(lambda: saved_count(both.broker, topic) == 3, 60, "three")
            assert waiting[0].end(COMMIT).code == 0 and waiting[1].end(ROLLBACK).code == 0
            wait_until(lambda: saved_count(both.broker, topic) == 1, 60, "one")
        both.broker.stop()
        both.broker.start()
        with both.broker.connect() as connection:
            Half(connection, topic, "producers")
            wait_until(lambda: saved_count(both.broker, topic) == 2, 60, "two")
