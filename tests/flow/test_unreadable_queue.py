"""A queue whose file cannot be read is an error that names it, wherever its numbers are asked for; nobody is told that it
is empty, and no group begins at a place that is none. Tables with others in them leave it out, and say so. Ramjet only: the reference opens all queues at its start."""

import os
import re

import pytest

import mini_client as mq
import pops
import servers
from conftest import BROKER_CONF, make_topic, max_offset, pull_all, send

SYSTEM_ERROR = 1
MESSAGES = 5
TOPIC, GROUP = "unreadable", "old_group"
HALF = "half_unreadable"  # its first queue can be read


@pytest.fixture(scope="module")
def damaged(target, tmp_path_factory):
    """A broker that has not opened the queue yet, whose file was cut short beneath it."""
    if target != "ramjet":
        pytest.skip("the reference opens all queues at its start")
    with servers.Pair(target, tmp_path_factory.mktemp("unreadable"), conf=BROKER_CONF) as pair:
        with pair.broker.connect() as connection:
            make_topic(connection, TOPIC, queues=1)
            connection.call(200, body={"groupName": GROUP})
            for number in range(MESSAGES):
                send(connection, TOPIC, b"m%d" % number)
            fields = {"consumerGroup": GROUP, "topic": TOPIC, "queueId": 0, "commitOffset": 2}
            assert connection.call(15, fields).code == 0
            make_topic(connection, HALF, queues=2)
            for number in range(2 * MESSAGES):
                send(connection, HALF, b"m%d" % number, queue_id=number % 2)
            for queue in (0, 1):
                fields = {"consumerGroup": GROUP, "topic": HALF, "queueId": queue, "commitOffset": 2}
                assert connection.call(15, fields).code == 0
        assert pair.broker.stop() == 0
        pair.broker.start()
        path = pair.broker.store / "consumequeue" / TOPIC / "0" / ("%020d" % 0)
        whole = path.read_bytes()
        os.truncate(path, len(whole) - 7)
        os.truncate(pair.broker.store / "consumequeue" / HALF / "1" / ("%020d" % 0), len(whole) - 7)
        yield pair.broker, path, whole


@pytest.fixture
def connection(damaged):
    with damaged[0].connect(timeout=60) as made:
        yield made


QUEUE = {"topic": TOPIC, "queueId": 0}
REQUESTS = {
    "max": (30, QUEUE),
    "min": (31, QUEUE),
    "search": (29, {**QUEUE, "timestamp": 0}),
    "search_upper": (29, {**QUEUE, "timestamp": 0, "boundaryType": "upper"}),
    "earliest": (32, QUEUE),
    "offset_of_new_group": (14, {**QUEUE, "consumerGroup": "new_group", "setZeroIfNotFound": True}),
    "reset_to_latest": (222, {"group": GROUP, "topic": TOPIC, "timestamp": -1, "isForce": True}),
    "reset_by_time": (222, {"group": GROUP, "topic": TOPIC, "timestamp": 0, "isForce": True}),
    "reset_to_offset": (222, {"group": GROUP, **QUEUE, "timestamp": 0, "offset": 1, "isForce": True}),
    "topic_stats": (202, {"topic": TOPIC}),
    "consume_stats": (208, {"consumerGroup": GROUP, "topic": TOPIC}),
    "time_span": (303, {"topic": TOPIC, "group": GROUP}),
    "correction": (308, {"topic": TOPIC, "compareGroup": GROUP}),
    "queue_data": (321, {**QUEUE, "index": 0, "count": 10, "consumerGroup": GROUP}),
    "notification": (pops.NOTIFY, {**QUEUE, "consumerGroup": GROUP, "pollTime": 0, "bornTime": 0}),
    "peek": (pops.PEEK, {**QUEUE, "consumerGroup": GROUP, "maxMsgNums": 8}),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_its_numbers_are_an_error(connection, what):
    """Goal: the answer is a system error that names the queue and says why."""
    code, fields = REQUESTS[what]
    answer = connection.call(code, fields)
    assert answer.code == SYSTEM_ERROR, (answer.code, answer.remark, answer.ext, answer.body)
    assert answer.remark == "queue 0 of topic %s cannot be read: corrupt" % TOPIC


def counted(connection):
    return int(connection.call(28).json()["table"]["unreadableQueues"])


def ask_table(connection, code, fields, left_out=1):
    """A table that lacks queues: it is given all the same, the remark names one of them, and they are counted."""
    before = counted(connection)
    answer = connection.call(code, fields)
    assert answer.code == 0, answer.remark
    assert re.fullmatch("%d queues left out that cannot be read, the first is . of topic (%s|%s): corrupt"
                        % (left_out, TOPIC, HALF), answer.remark), answer.remark
    assert counted(connection) == before + left_out
    return answer.json()


READABLE = mq.queue_key("broker-a", HALF, 0)


def test_a_topic_is_described_without_it(connection):
    """Goal: one queue that cannot be read does not hide the others of its topic from 202."""
    table = ask_table(connection, 202, {"topic": HALF})["offsetTable"]
    assert list(table) == [READABLE]
    assert table[READABLE]["maxOffset"] == MESSAGES


def test_progress_is_told_without_it(connection):
    """Goal: nor from 208, of one topic and of all that the group reads."""
    for fields, left_out in (({"consumerGroup": GROUP, "topic": HALF}, 1), ({"consumerGroup": GROUP}, 2)):
        table = ask_table(connection, 208, fields, left_out)["offsetTable"]
        assert list(table) == [READABLE]
        assert (table[READABLE]["brokerOffset"], table[READABLE]["consumerOffset"]) == (MESSAGES, 2)


def test_times_are_told_without_it(connection):
    """Goal: nor from 303."""
    spans = ask_table(connection, 303, {"topic": HALF, "group": GROUP})["consumeTimeSpanSet"]
    assert [span["messageQueue"]["queueId"] for span in spans] == [0]


def test_progress_of_all_groups_is_told_without_it(connection):
    """Goal: 317 gives every group, and sums what it has."""
    answer = ask_table(connection, 317, {"isOrder": False}, 2)
    stats = next(group[GROUP] for group in answer["consumeStatsList"] if GROUP in group)
    assert sorted(list(topic["offsetTable"]) for topic in stats) == [[], [READABLE]]
    assert answer["totalDiff"] == MESSAGES - 2


@pytest.mark.parametrize("init", (0, 1), ids=("from_min", "from_max"))
def test_no_pop_group_begins_there(connection, name, init):
    """Goal: a pop is told of it, and a new group has no place yet."""
    group = name("group")
    answer = connection.call(pops.POP, pops.pop_fields(group, TOPIC, queue=0, init=init))
    assert (answer.code, answer.remark) == (SYSTEM_ERROR, "the store could not be read: corrupt")
    asked = {"consumerGroup": group, "topic": TOPIC, "queueId": 0, "setZeroIfNotFound": False}
    assert connection.call(14, asked).code == 22


def test_a_pull_is_told(connection, name):
    """Goal: so is a pull."""
    answer = connection.call(11, mq.pull_fields(name("group"), TOPIC, offset=0))
    assert (answer.code, answer.remark) == (SYSTEM_ERROR, "the store could not be read: corrupt")


def test_it_goes_on_when_it_can_be_read(connection, damaged, name):
    """Goal: nothing of it was remembered: with the file as it was, all of it is there. Runs last: then it is open."""
    _, path, whole = damaged
    path.write_bytes(whole)
    assert max_offset(connection, TOPIC) == MESSAGES
    committed = connection.call(14, {"consumerGroup": GROUP, "topic": TOPIC, "queueId": 0})
    assert committed.ext["offset"] == "2"
    assert len(pull_all(connection, name("group"), TOPIC, count=MESSAGES)) == MESSAGES
    popped = pops.pop(connection, name("group"), TOPIC, queue=0)
    assert [p.body for p in popped] == [b"m%d" % n for n in range(MESSAGES)]
