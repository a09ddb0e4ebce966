"""Values at and beyond every bound, in each field of each request that has some: all are answered, and nobody is harmed."""

import base64
import json
import random

import mini_client as mq
import pops
import pytest
import servers
from conftest import BROKER_CONF, heartbeat, make_topic, max_offset, send
from servers import wait_until

NUMBERS = ["-9223372036854775808", "-2147483649", "-2147483648", "-2", "-1", "0", "1", "2147483647", "2147483648",
           "4294967296", "9223372036854775807", "9223372036854775808", "1e9", "", " 1", "0x10", "1" * 400]
TEXTS = ["", " ", "\x00", "a\x01b\x02c", "%RETRY%", "%DLQ%", "%LMQ%", "%RETRY%%RETRY%x", "x" * 127, "x" * 128, "x" * 256,
         "x" * 30000, "\u00e9" * 60, "@", "a@b", "../../../x", "rmq_sys_wheel_timer", "SCHEDULE_TOPIC_XXXX",
         "RMQ_SYS_TRANS_HALF_TOPIC", "rmq_sys_REVIVE_LOG_DefaultCluster", "TBW102"]
FOR_EVER = {"pollTime", "suspendTimeoutMillis"}  # a large one is a long wait, and rightly so
NO_ANSWER = {(37, "commitOrRollback", "0")}  # "unknown yet" has none
CONF = {"enablePropertyFilter": "true", "recallMessageEnable": "true", "enableLmq": "true",
        "enableMultiDispatch": "true", "coldDataFlowControlEnable": "true"}


@pytest.fixture(scope="module")
def pair(target, tmp_path_factory):
    if target != "ramjet":
        pytest.skip("the reference waits with some and keeps others: its broker is of no use afterwards")
    with servers.Pair(target, tmp_path_factory.mktemp("extremes"), conf={**BROKER_CONF, **CONF}) as both:
        yield both


@pytest.fixture(scope="module")
def used(pair):
    """A topic with three messages, one of them popped, and its group with a member: what a request can name."""
    with pair.broker.connect() as connection:
        topic, group = make_topic(connection, "extremes"), "extremes_group"
        heartbeat(connection, "member", {group: [mq.subscription(topic)]}, [group])
        msg_id = [send(connection, topic, b"x", properties={"KEYS": "k"}) for _ in range(3)][0].ext["msgId"]
        handle = pops.pop(connection, group, topic, queue=0, count=1)[0].handle
        recall = base64.urlsafe_b64encode(("v1 %s broker-a %d K" % (topic, mq.now_ms() + 600000)).encode()).decode()
    return {"topic": topic, "group": group, "handle": handle, "recall": recall, "msgId": msg_id}  # and the member left


def requests(topic, group, handle, recall, msg_id):
    """code -> the fields of a good request."""
    queue = {"topic": topic, "queueId": 0}
    place = {**queue, "consumerGroup": group}
    both = {"topic": topic, "group": group}
    popped = {**place, "extraInfo": handle, "offset": 0}
    return {
        310: mq.send_fields(topic, 0, {"KEYS": "k"}), 320: {**mq.send_fields(topic, 0), "m": "true"},
        325: mq.send_fields(topic, 0, {"REPLY_TO_CLIENT": "c", "CORRELATION_ID": "1"}),
        11: mq.pull_fields(group, topic, suspend_ms=0), 361: mq.pull_fields(group, topic, suspend_ms=0),
        14: {**place, "setZeroIfNotFound": "true"}, 15: {**place, "commitOffset": 1},
        29: {**queue, "timestamp": 1, "boundaryType": "lower"}, 30: {**queue, "committed": "true"}, 31: queue, 32: queue,
        12: {"topic": topic, "key": "k", "maxNum": 10, "beginTimestamp": 0, "endTimestamp": mq.now_ms()},
        33: {"offset": 0, "topic": topic},
        36: {"offset": 0, "group": group, "delayLevel": 1, "originMsgId": "x", "originTopic": topic,
             "unitMode": "false", "maxReconsumeTimes": 3},
        37: {"producerGroup": group, "tranStateTableOffset": 0, "commitLogOffset": 0, "commitOrRollback": 8,
             "msgId": "x", "fromTransactionCheck": "false", "transactionId": "x", "topic": topic},
        370: {"topic": topic, "recallHandle": recall, "producerGroup": group},
        200050: pops.pop_fields(group, topic, queue=0, attemptId="a"),
        200051: popped, 200053: {**popped, "invisibleTime": 1000}, 200052: {**place, "maxMsgNums": 3},
        200054: {**place, "pollTime": 0, "bornTime": mq.now_ms(), "order": True, "attemptId": "a"}, 200055: place,
        17: {"topic": topic, "defaultTopic": "TBW102", "readQueueNums": 4, "writeQueueNums": 4, "perm": 6,
             "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": "false", "attributes": ""},
        21: {"topicSeq": 0, "dataVersion": "{}", "maxTopicNum": 2},
        201: {"groupSeq": 0, "dataVersion": "{}", "maxGroupNum": 2},
        35: {"clientID": "c", "producerGroup": group, "consumerGroup": group}, 38: {"consumerGroup": group},
        202: {"topic": topic}, 203: {"consumerGroup": group}, 204: {"producerGroup": group},
        207: {"groupName": "no_group", "cleanOffset": "true"}, 208: place, 215: {"topic": "no_topic"},
        222: {**both, "timestamp": mq.now_ms(), "isForce": "true", "queueId": 0, "offset": 1}, 223: both,
        300: {"topic": topic}, 303: both, 307: {"consumerGroup": group, "clientId": "c", "jstackEnable": "false"},
        308: {"compareGroup": group, "topic": topic, "filterGroups": group},
        309: {"consumerGroup": group, "clientId": "c", "msgId": msg_id, "topic": topic},
        314: {"srcGroup": group, "destGroup": group + "2", "topic": topic, "offline": "true"},
        315: {"statsName": "TOPIC_PUT_NUMS", "statsKey": topic}, 317: {"isOrder": "false"},
        321: {**place, "index": 0, "count": 10}, 323: {"topic": topic, "msgId": msg_id},
        343: {"group": group}, 345: both, 351: {"topic": topic}, 352: {"group": group}, 353: {**both, "readable": "true"},
        905: {"minBrokerId": 0, "brokerName": "b"}, 908: {"masterFlushOffset": 0}, 2004: {"READ_AHEAD_MODE": 1},
    }


CODES = sorted(requests("t", "g", "h", "r", "m"))


def variants(code, fields):
    for name in fields:
        for value in NUMBERS + TEXTS:
            is_wait = name in FOR_EVER and value.isdigit() and int(value) > 1
            if not is_wait and (code, name, value) not in NO_ANSWER:
                yield name, {**fields, name: value}


def expect_answers(connection, code, good, body=b""):
    waiting = []
    for name, fields in [*variants(code, good), (None, good)]:
        waiting.append((connection.send(code, fields, body), name, fields))
        if len(waiting) == 50 or name is None:
            for opaque, name, fields in waiting:
                answer = connection.receive(opaque)
                assert answer.code != 1 or answer.remark, (name, fields)
            waiting = []


@pytest.mark.parametrize("code", CODES)
def test_every_value_of_every_field_is_answered(pair, used, code):
    """Goal: no value of a field is left without an answer, a refusal says why, and the broker serves on.
    Method: one field at a time has every value of the two lists, 50 requests under way."""
    good = requests(used["topic"], used["group"], used["handle"], used["recall"], used["msgId"])[code]
    with pair.broker.connect() as connection:
        expect_answers(connection, code, good, b"body" if code in (310, 325) else b"")
        assert connection.call(28).code == 0


# ---- the name server's fields --------------------------------------------------------------------------

BROKER = {"brokerName": "b", "brokerAddr": "127.9.9.1:1", "clusterName": "c", "brokerId": 0}
KEY = {"namespace": "n", "key": "k"}
NAME_SERVER_REQUESTS = {
    103: {**BROKER, "haServerAddr": "127.9.9.1:2", "heartbeatTimeoutMillis": 10000, "enableActingMaster": "false",
          "compressed": "false", "bodyCrc32": 0, "__ZONE_NAME": "z"},
    104: BROKER, 322: BROKER, 904: {**BROKER, "epoch": 1, "maxOffset": 1, "heartbeatTimeoutMills": 1000},
    901: {"clusterName": "c", "brokerName": "b"},
    105: {"topic": "t", "acceptStandardJsonOnly": "true", "__ZONE_MODE": "true", "__ZONE_NAME": "z"},
    100: {**KEY, "value": "v"}, 101: KEY, 102: KEY, 219: {"namespace": "n"}, 205: {"brokerName": "b"}, 327: {"brokerName": "b"},
    216: {"topic": "t", "clusterName": "c"}, 217: {"topic": "t"}, 224: {"cluster": "c"},
}


@pytest.fixture(scope="module")
def lone_name_server(pair, tmp_path_factory):
    """One without brokers but those the tests make up."""
    with servers.NameServer("ramjet", tmp_path_factory.mktemp("extremes_namesrv")) as server:
        yield server


@pytest.mark.parametrize("code", NAME_SERVER_REQUESTS)
def test_every_value_of_every_field_is_answered_by_a_name_server(lone_name_server, code):
    """Goal and method: as for a broker; and what it took of them it can read again when it is started anew."""
    with lone_name_server.connect() as connection:
        expect_answers(connection, code, NAME_SERVER_REQUESTS[code])
        assert connection.call(106).code == 0
    if code in (100, 102):
        lone_name_server.kill()
        lone_name_server.start()


# ---- bodies ------------------------------------------------------------------------------------------

MQ = {"topic": "t", "brokerName": "broker-a", "queueId": 1}
BODIES = {
    "arrays": b"[" * 1000000, "objects": b'{"a":' * 200000, "text": b'{"consumerGroup":"' + b"x" * 4000000 + b'"}',
    "cut": b'{"consumerGroup":"g","clientId":"c","mqSet":[{"topic":', "number": b"7", "nothing": b"", "null": b"null",
    "no UTF-8": b'{"clientID":"\xff\xfe","consumerGroup":"\xc0\x80"}',
    "wrong kinds": b'{"clientID":[],"consumerGroup":{},"mqSet":7,"group":true,"topic":-1,"acks":{"a":1},"mode":3}',
    "many": ('{"clientId":"c","clientID":"c","consumerGroup":"g","mqSet":[%s],"groupConfigList":[],"topicConfigList":[]}' %
             ",".join(json.dumps({**MQ, "queueId": i}) for i in range(30000))).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_every_body_is_answered(pair, used, body):
    """Goal: no body is left without an answer, and the broker serves on.
    Method: each request that has one gets it."""
    good = requests(used["topic"], used["group"], used["handle"], used["recall"], used["msgId"])
    with pair.broker.connect() as connection:
        for code in (18, 25, 34, 41, 42, 46, 200, 225, 400, 401, 2001, pops.BATCH_ACK, 310, 320, 325):
            answer = connection.call(code, good.get(code, {}), body)
            assert answer.code != 1 or answer.remark, code
        assert connection.call(28).code == 0


QUEUES = {"consumerGroup": "g", "clientId": "c", "mqSet": [{**MQ, "queueId": i} for i in range(100000)]}
ACKS = {"brokerName": "broker-a", "acks": [{"c": "g", "t": "t", "r": "0", "so": i, "q": 0, "rq": 0, "pt": 1, "it": 1,
                                           "b": "AQ=="} for i in range(100000)]}
TAGS = {"clientID": "c", "consumerDataSet": [{"groupName": "g", "subscriptionDataSet": [
    {"topic": "t", "subString": "*", "tagsSet": ["a"] * 1000000, "codeSet": []}]}]}


@pytest.mark.parametrize("code, body", [(41, QUEUES), (42, QUEUES), (pops.BATCH_ACK, ACKS), (34, TAGS)],
                         ids=["lock", "unlock", "batch ack", "heartbeat"])
def test_lists_beyond_every_use_are_refused(pair, code, body):
    """Goal: a body that names more than any client has is refused before anything is made of it.
    Method: a hundred thousand entries, then one."""
    few = {name: value[:1] if isinstance(value, list) else value for name, value in body.items()}
    with pair.broker.connect() as connection:
        answer = connection.call(code, body=body)
        assert answer.code == 1 and answer.remark.startswith("the body is no"), answer.remark
        if code != 34:
            assert "at most" in answer.remark and connection.call(code, body=few).code == 0
        assert connection.call(28).code == 0


# ---- receipt handles ---------------------------------------------------------------------------------


def test_no_made_up_handle_acknowledges(pair, used):
    """Goal: of a thousand handles that were not given, by ack or by change, none touches a message, which comes back.
    Method: the pop's time is always another, the queue of the revive log and the message now and then."""
    draw, group = random.Random(5), "extremes_handles"
    with pair.broker.connect() as connection:
        topic = make_topic(connection, "extremes_handles")
        for i in range(2):
            send(connection, topic, b"%d" % i)
        first, second = pops.pop(connection, group, topic, queue=0, invisible_ms=2000)
        for i in range(1000):
            parts = first.handle.split(" ")
            for part in [1] + draw.sample((3, 7), draw.randint(0, 2)):
                parts[part] = draw.choice(NUMBERS + ["999", str(draw.randrange(1 << 40))])
            fields = pops.ack_fields(group, first, extraInfo=" ".join(parts), offset=parts[7])
            connection.call((pops.ACK, pops.CHANGE)[i % 2], {**fields, "invisibleTime": 3600000})
        found = []
        wait_until(lambda: found.extend(pops.pop(connection, group, topic)) or len(found) == 2, 60, "what was popped")
        assert sorted(message.body for message in found) == [first.body, second.body]


def test_no_altered_recall_handle_recalls(pair):
    """Goal: of hundreds of handles that differ from the one that was given, none keeps its message from coming.
    Method: its topic, broker, time or key is another; the message is due meanwhile."""
    draw = random.Random(6)
    with pair.broker.connect() as connection:
        topic = make_topic(connection, "extremes_recall")
        fields = mq.send_fields(topic, 0, {"TIMER_DELIVER_MS": mq.now_ms() + 4000, "UNIQ_KEY": "KEY%d" % mq.now_ms()})
        given = connection.call(310, fields, b"comes").ext["recallHandle"]
        parts = base64.urlsafe_b64decode(given).decode().split(" ")
        for i in range(500):
            altered = list(parts)
            altered[draw.randrange(1, 5)] = draw.choice(NUMBERS + TEXTS + [parts[4][:-1], str(int(parts[3]) + 1000 * i)])
            if altered != parts:
                handle = base64.urlsafe_b64encode(" ".join(altered).encode()).decode()
                answer = connection.call(370, {"topic": topic, "recallHandle": handle, "producerGroup": "g"})
                assert answer.code in (0, 604), answer.remark
        wait_until(lambda: max_offset(connection, topic) == 1, 60, "the message")


def test_no_altered_end_ends_a_transaction(pair):
    """Goal: of hundreds of commits with a place, group or id that is not the half message's, none stores it.
    Method: one or two fields of the right one are others, among them those of its neighbours."""
    draw = random.Random(7)
    with pair.broker.connect() as connection:
        topic, halves = make_topic(connection, "extremes_txn"), []
        for i in range(3):
            properties = {"TRAN_MSG": "true", "PGROUP": "extremes_p", "UNIQ_KEY": "TXN%d%d" % (i, mq.now_ms())}
            answer = connection.call(310, mq.send_fields(topic, 0, properties, sysFlag=4, producerGroup="extremes_p"), b"x")
            halves.append({"tranStateTableOffset": answer.ext["queueOffset"], "transactionId": answer.ext["transactionId"],
                           "commitLogOffset": mq.phy_offset_of(answer.ext["msgId"]), "producerGroup": "extremes_p"})
        right = {**halves[1], "topic": topic, "commitOrRollback": 8, "fromTransactionCheck": False, "msgId": "m"}
        for _ in range(500):
            altered = dict(right)
            for field in draw.sample(sorted(halves[1]), draw.randint(1, 2)):
                altered[field] = draw.choice(NUMBERS[:7] + [str(halves[0][field]), str(halves[2][field]), "x"])
            if any(str(altered[field]) != str(right[field]) for field in halves[1]):
                assert connection.call(37, altered).code != 0, altered
        assert max_offset(connection, topic) == 0
        assert connection.call(37, right).code == 0 and max_offset(connection, topic) == 1


@pytest.mark.parametrize("bits", ["", "!", "AAAA", "/" * 1398104, "A" * 1398104 + "/w=="],
                         ids=["none", "no base64", "zeros", "a million of ones", "one far behind"])
def test_huge_bitmaps_acknowledge_what_is_out(pair, used, bits):
    """Goal: a batch ack whose bits name millions of messages takes off those of its pop, and costs the others no time.
    Method: one entry with such bits, one without any, and a thousand of them."""
    group = "extremes_bits"
    with pair.broker.connect() as connection:
        topic = make_topic(connection, "extremes_bits_%d_%s" % (len(bits), bits[:1].isalpha()))
        send(connection, topic)
        popped, = pops.pop(connection, group, topic, queue=0, invisible_ms=1000)
        entry = {**pops.batch_entry(group, topic, popped.handle, [0]), "b": bits}
        for entries in ([entry], [entry] * (1000 if len(bits) < 100 else 8)):
            assert connection.call(pops.BATCH_ACK, body={"brokerName": "broker-a", "acks": entries}).code in (0, 1)
        assert connection.call(28).code == 0
        is_acked = bits.startswith("/")
        if not is_acked:
            wait_until(lambda: pops.pop(connection, group, topic), 60, "the message again")
