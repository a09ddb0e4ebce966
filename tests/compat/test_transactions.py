"""Transactions that wait when the directory changes hands: the other broker asks about them, and what had
ended stays ended."""

import collections
import signal

import mini_client as mq
import pytest
from servers import Broker, wait_until

TOPIC, GROUP = "compat-txn", "compat_producers"
OP_TOPIC = "RMQ_SYS_TRANS_OP_HALF_TOPIC"
SEND, HEARTBEAT, END, CHECK, PULL, MAX_OFFSET = 310, 34, 37, 39, 11, 30
COMMIT, ROLLBACK = 8, 12
CONF = {"transactionTimeOut": 3000, "transactionCheckInterval": 1000, "transactionCheckMax": 100,
        "transactionOpBatchInterval": 300}


def send_half(connection, number, **properties):
    key = "%032X" % number
    properties = {"TRAN_MSG": "true", "PGROUP": GROUP, "UNIQ_KEY": key, **properties}
    answer = connection.call(SEND, mq.send_fields(TOPIC, 0, properties, sysFlag=4), b"%d" % number)
    assert answer.code == 0, answer.remark
    return {"topic": TOPIC, "producerGroup": GROUP, "tranStateTableOffset": answer.ext["queueOffset"],
            "commitLogOffset": mq.phy_offset_of(answer.ext["msgId"]), "msgId": key, "transactionId": key}


def end(connection, fields, how):
    answer = connection.call(END, {**fields, "commitOrRollback": how})
    assert answer.code == 0, answer.remark


def bodies(broker, topic):
    with broker.connect() as connection:
        count = int(connection.call(MAX_OFFSET, {"topic": topic, "queueId": 0}).ext["offset"])
        found, offset = [], 0
        while offset < count:
            answer = connection.call(PULL, mq.pull_fields("reader", topic, 0, offset))
            assert answer.code == 0, answer.remark
            records = mq.decode_records(answer.body)
            found += [record.body for record in records]
            offset += len(records)
        return found


def delivered(broker):
    return sorted(int(body) for body in bodies(broker, TOPIC))


def noted_as_ended(broker):
    """Half offsets, as strings; the reference notes them some time after it has answered."""
    return set(b",".join(bodies(broker, OP_TOPIC)).decode().split(","))


def expect_delivered(broker, numbers):
    try:
        wait_until(lambda: delivered(broker) == numbers, 120, "the messages", 0.2)
    except TimeoutError:
        assert delivered(broker) == numbers


@pytest.mark.parametrize("how", (signal.SIGTERM, signal.SIGKILL), ids=("stopped", "killed"))
@pytest.mark.parametrize("first,second", [("rocketmq-5.3.3", "ramjet"), ("ramjet", "rocketmq-5.3.3")])
def test_waiting_transactions_go_over(first, second, how, name_server, tmp_path):
    """Goal: of four halves one is committed and one rolled back under the first broker; the second asks about
    the two others, delivers what is committed then, and nothing else."""
    store = tmp_path / "store"
    broker = Broker(first, tmp_path / "first", [name_server], conf=CONF, store=store)
    broker.start()
    with broker.connect() as connection:
        assert connection.call(HEARTBEAT, body=mq.heartbeat_body("p@1", [GROUP])).code == 0
        halves = []
        for number, decision in enumerate((COMMIT, ROLLBACK, None, None)):
            halves.append(send_half(connection, number))
            if decision:  # before it is asked about: a copy of it would be waiting then
                end(connection, halves[number], decision)
        ended = {half["tranStateTableOffset"] for half in halves[:2]}
        wait_until(lambda: ended <= noted_as_ended(broker), 30, "both ends", 0.2)
        # until the two others were stored again by a check
        asked = collections.Counter()
        while any(asked[half["transactionId"]] < 2 for half in halves[2:]):
            asked[connection.receive_push(120, code=CHECK).ext["transactionId"]] += 1
    broker.stop(how)
    broker = Broker(second, tmp_path / "second", [name_server], conf=CONF, store=store)
    broker.start()
    try:
        expect_delivered(broker, [0])
        with broker.connect() as connection:
            assert connection.call(HEARTBEAT, body=mq.heartbeat_body("p@2", [GROUP])).code == 0
            waiting = {halves[2]["transactionId"]: COMMIT, halves[3]["transactionId"]: ROLLBACK}
            while waiting:
                question = connection.receive_push(120, code=CHECK)
                decision = waiting.pop(question.ext["transactionId"], None)
                assert question.ext["transactionId"] in (halves[2]["transactionId"],
                                                         halves[3]["transactionId"])
                if decision:
                    end(connection, {**halves[2], "msgId": question.ext["msgId"],
                                     "transactionId": question.ext["transactionId"],
                                     "tranStateTableOffset": question.ext["tranStateTableOffset"],
                                     "commitLogOffset": question.ext["commitLogOffset"],
                                     "fromTransactionCheck": True}, decision)
        expect_delivered(broker, [0, 2])
    finally:
        broker.stop(signal.SIGKILL)


@pytest.mark.parametrize("second", ("ramjet", "rocketmq-5.3.3"))
def test_immune_halves_go_over(second, name_server, tmp_path):
    """Goal: copies of an immune half are taken for it by the other broker, and asked about when its time is
    over."""
    first = "rocketmq-5.3.3" if second == "ramjet" else "ramjet"
    store = tmp_path / "store"
    broker = Broker(first, tmp_path / "first", [name_server], conf=CONF, store=store)
    broker.start()
    with broker.connect() as connection:
        half = send_half(connection, 7, CHECK_IMMUNITY_TIME_IN_SECONDS="5")
        wait_until(lambda: int(connection.call(
            MAX_OFFSET, {"topic": "RMQ_SYS_TRANS_HALF_TOPIC", "queueId": 0}).ext["offset"]) > 2, 20)
    broker.stop(signal.SIGTERM)
    broker = Broker(second, tmp_path / "second", [name_server], conf=CONF, store=store)
    broker.start()
    try:
        with broker.connect() as connection:
            assert connection.call(HEARTBEAT, body=mq.heartbeat_body("p@2", [GROUP])).code == 0
            question = connection.receive_push(120, code=CHECK)
            assert question.ext["transactionId"] == half["transactionId"]
            end(connection, {**half, "tranStateTableOffset": question.ext["tranStateTableOffset"],
                             "commitLogOffset": question.ext["commitLogOffset"],
                             "fromTransactionCheck": True}, COMMIT)
        expect_delivered(broker, [7])
    finally:
        broker.stop(signal.SIGKILL)
