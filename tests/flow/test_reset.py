"""Offsets set by a request (222): by the broker, or by telling the clients (220)."""

import pytest

import mini_client as mq
from conftest import commit, committed, differs, heartbeat, make_topic, pull, send
from servers import wait_until


def reset(connection, group, topic, timestamp=0, **more):
    fields = {"group": group, "topic": topic, "timestamp": timestamp, "isForce": True}
    how = {"language": more.pop("language")} if "language" in more else {}
    fields.update(more)
    return connection.call(222, fields, **how)


def offsets_by_queue(answer):
    assert answer.code == 0, (answer.code, answer.remark)
    return {dict(queue)["queueId"]: offset for queue, offset in answer.json()["offsetTable"].items()}


@pytest.fixture
def consumer(broker, group, topic):
    """The group exists, and has committed 2 of the 5 messages of queue 0."""
    assert broker.call(200, body={"groupName": group}).code == 0
    for number in range(5):
        send(broker, topic, b"m%d" % number)
    assert commit(broker, group, topic, 2).code == 0
    return group


@pytest.fixture
def client_side(broker):
    """The broker tells clients to reset instead of doing it."""
    assert broker.call(25, body=b"useServerSideResetOffset=false").code == 0
    yield
    assert broker.call(25, body=b"useServerSideResetOffset=true").code == 0


def test_reset_by_time_is_told_by_the_next_pull(broker, consumer, topic):
    """Goal: after 222 the offsets are the group's; the next pull of each queue is answered 21 with
    the new offset, even when it asks for that very one."""
    assert offsets_by_queue(reset(broker, consumer, topic, 0)) == {0: 0, 1: 0, 2: 0, 3: 0}
    assert committed(broker, consumer, topic) == 0
    for asked, queue_id in ((2, 0), (0, 1)):
        answer = pull(broker, consumer, topic, asked, queue_id=queue_id)
        assert (answer.code, answer.remark) == (21, "OFFSET_RESET")
        assert answer.ext["nextBeginOffset"] == "0"
    assert pull(broker, consumer, topic, 0).code == 0


def test_reset_to_the_end(broker, consumer, topic):
    """Goal: a negative time means the end of each queue."""
    assert offsets_by_queue(reset(broker, consumer, topic, -1)) == {0: 5, 1: 0, 2: 0, 3: 0}
    assert committed(broker, consumer, topic) == 5


def test_reset_of_one_queue_to_an_offset(broker, consumer, topic):
    """Goal: a queue and an offset in the request; other queues are left alone."""
    assert offsets_by_queue(reset(broker, consumer, topic, queueId=0, offset=4)) == {0: 4}
    assert committed(broker, consumer, topic) == 4
    assert pull(broker, consumer, topic, 0, queue_id=1).code == 19


@pytest.mark.parametrize("offset", [7, -2], ids=["behind", "before"])
def test_reset_outside_of_the_queue_is_refused(broker, consumer, topic, offset):
    """Goal: 1 with the range; one behind the end is still allowed."""
    answer = reset(broker, consumer, topic, queueId=0, offset=offset)
    assert (answer.code, answer.remark) == \
        (1, "Target offset %d not in consume queue range [0-5]" % offset)
    assert reset(broker, consumer, topic, queueId=0, offset=6).code == 0


def test_reset_of_the_unknown_is_refused(broker, consumer, topic):
    """Goal: 17 and 26."""
    assert reset(broker, consumer, "no_such_topic_at_all").code == 17
    assert reset(broker, "no_such_group", topic).code == 26


def test_commits_of_before_the_reset_are_swallowed(broker, consumer, topic):
    """Goal: until the group was told, 15 is answered 0 and changes nothing; after it counts."""
    reset(broker, consumer, topic, queueId=0, offset=1)
    answer = commit(broker, consumer, topic, 3)
    assert (answer.code, answer.remark) == (0, "Offset has been previously reset")
    assert committed(broker, consumer, topic) == 1
    assert pull(broker, consumer, topic, 3).code == 21
    assert commit(broker, consumer, topic, 3).remark == ""
    assert committed(broker, consumer, topic) == 3


def test_commit_of_the_pull_that_is_told(broker, consumer, topic, target):
    """Goal: a commit that comes with the pull that is told of the reset is one of before it."""
    reset(broker, consumer, topic, queueId=0, offset=1)
    assert pull(broker, consumer, topic, 3, commit=3).code == 21
    assert committed(broker, consumer, topic) == \
        differs(target, 3, 1, "5.3.3 forgets the reset before it looks at the commit")


def test_held_pull_is_told_of_a_reset(broker, connect, consumer, topic):
    """Goal: a pull that waits is answered 21 when its queue is reset."""
    waiting = connect()
    asked = waiting.send(11, mq.pull_fields(consumer, topic, offset=5, suspend_ms=20000))
    waiting.call(28)  # the pull before it has been read
    reset(broker, consumer, topic, queueId=0, offset=1)
    answer = waiting.receive(asked)
    assert (answer.code, answer.ext["nextBeginOffset"]) == (21, "1")


def test_clients_are_told_to_reset(broker, connect, consumer, topic, client_side):
    """Goal: with useServerSideResetOffset off, each client of the group is sent 220 with the offsets
    of all queues, and the broker's stay; not forced, offsets only go back."""
    member = connect()
    heartbeat(member, "c1", {consumer: [mq.subscription(topic)]})
    for queue_id in (1, 2, 3):
        commit(broker, consumer, topic, 0, queue_id)
    assert offsets_by_queue(reset(broker, consumer, topic, -1)) == {0: 5, 1: 0, 2: 0, 3: 0}
    told = member.receive_push(code=220)
    assert told.flag == mq.ONEWAY
    assert told.ext["topic"] == topic and told.ext["group"] == consumer
    assert (told.ext["timestamp"], told.ext["isForce"], told.ext["queueId"]) == ("-1", "false", "-1")
    assert told.json()["offsetTable"][mq.queue_key("broker-a", topic, 0)] == 5
    assert committed(broker, consumer, topic) == 2
    assert offsets_by_queue(reset(broker, consumer, topic, -1, isForce=False))[0] == 2


def test_clients_in_cpp_are_told_by_a_list(broker, connect, consumer, topic, client_side):
    """Goal: a 222 that comes in the language CPP makes the body of 220 a list."""
    member = connect()
    heartbeat(member, "c1", {consumer: [mq.subscription(topic)]})
    for queue_id in (1, 2, 3):
        commit(broker, consumer, topic, 0, queue_id)
    assert reset(broker, consumer, topic, 0, language="CPP").code == 0
    table = member.receive_push(code=220).json()["offsetTable"]
    assert {"brokerName": "broker-a", "offset": 0, "queueId": 3, "topic": topic} in table


def test_clients_cannot_be_told(broker, connect, consumer, topic, name, client_side):
    """Goal: 17 for the topic, 1 when the group has no offset in some queue, 206 when nobody is
    online, 1 when a client is too old."""
    assert reset(broker, consumer, "no_such_topic_at_all").code == 17
    assert reset(broker, consumer, topic).code == 1
    for queue_id in (1, 2, 3):
        commit(broker, consumer, topic, 0, queue_id)
    assert reset(broker, consumer, topic).code == 206
    old = connect(version=27)
    heartbeat(old, "c1", {consumer: [mq.subscription(topic)]})
    assert reset(broker, consumer, topic).code == 1


def test_deleted_topic_takes_its_reset_along(broker, consumer, topic, target):
    """Goal: a reset that nobody was told of does not show in a new topic of that name."""
    reset(broker, consumer, topic, queueId=0, offset=1)
    broker.call(215, {"topic": topic})
    make_topic(broker, topic)
    wait_until(lambda: broker.call(30, {"topic": topic, "queueId": 0}).ext["offset"] == "0",
               what="an empty queue")
    assert commit(broker, consumer, topic, 0).remark == \
        differs(target, "Offset has been previously reset", "", "5.3.3 keeps the reset")
