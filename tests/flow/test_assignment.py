"""Which queues a consumer reads, told by the broker (QUERY_ASSIGNMENT), and how (request mode)."""

import mini_client as mq
import pytest
from conftest import heartbeat, make_topic
from servers import wait_until

QUERY, SET_MODE, ALL_MODES = 400, 401, 402


@pytest.fixture
def topic(broker, name, name_server):
    """A topic with six queues that the name server knows."""
    topic = make_topic(broker, name("topic"), queues=6)
    wait_until(lambda: name_server.call(105, {"topic": topic}).code == 0, what="the route")
    return topic


@pytest.fixture
def members(connect, topic, group):
    """Makes a group of n clients: c0, c1, ..."""
    def make(count):
        for i in range(count):
            heartbeat(connect(), "c%d" % i, {group: [mq.subscription(topic)]})
    return make


def ask(broker, group, topic, client="c0", strategy="AVG", model="CLUSTERING"):
    answer = broker.call(QUERY, body={"topic": topic, "consumerGroup": group, "clientId": client,
                                      "strategyName": strategy, "messageModel": model})
    assert answer.code == 0, answer.remark
    return answer.json().get("messageQueueAssignments")


def queues(assignments):
    return sorted(a["messageQueue"]["queueId"] for a in assignments)


def set_mode(broker, group, topic, mode="POP", share=0):
    return broker.call(SET_MODE, body={"topic": topic, "consumerGroup": group, "mode": mode,
                                       "popShareQueueNum": share})


@pytest.mark.parametrize("strategy, expected", (("AVG", [[0, 1, 2], [3, 4, 5]]), ("AVG_BY_CIRCLE", [[0, 2, 4], [1, 3, 5]])))
def test_queues_are_dealt_out(broker, group, topic, members, strategy, expected):
    """Goal: each client has its share by the strategy, in mode PULL."""
    members(2)
    shares = [ask(broker, group, topic, "c%d" % i, strategy) for i in range(2)]
    assert [queues(share) for share in shares] == expected
    assert all(a["mode"] == "PULL" and a["messageQueue"]["brokerName"] == "broker-a"
               and a["messageQueue"]["topic"] == topic for share in shares for a in share)


def test_uneven_shares(broker, group, topic, members):
    """Goal: the first clients get one more; every queue is somebody's."""
    members(4)
    assert [len(ask(broker, group, topic, "c%d" % i)) for i in range(4)] == [2, 2, 1, 1]


def test_broadcasting_reads_all(broker, group, topic, members):
    """Goal: a broadcasting client reads every queue."""
    members(2)
    assert queues(ask(broker, group, topic, model="BROADCASTING")) == list(range(6))


def test_nothing_is_not_an_empty_set(broker, group, topic, members):
    """Goal: null (keep what you have) without members, topic or strategy; an empty set for a stranger."""
    assert ask(broker, group, topic) is None
    members(1)
    assert ask(broker, group, "no_such_topic_at_all") is None
    assert ask(broker, group, topic, strategy="NONE") is None
    assert ask(broker, group, topic, client="stranger") == []


def test_pop_mode_reads_any_queue(broker, group, topic, members):
    """Goal: in mode POP without shares, one entry: queue -1."""
    members(3)
    assert set_mode(broker, group, topic).code == 0
    assignment, = ask(broker, group, topic)
    assert assignment["mode"] == "POP" and assignment["messageQueue"]["queueId"] == -1


def test_pop_mode_with_shares(broker, group, topic, members):
    """Goal: in mode POP with share 1 of 3 clients, each reads its own queues and the next client's."""
    members(3)
    assert set_mode(broker, group, topic, share=1).code == 0
    assert queues(ask(broker, group, topic, "c0")) == [0, 1, 2, 3]
    assert queues(ask(broker, group, topic, "c2")) == [0, 1, 4, 5]
    assert set_mode(broker, group, topic, share=2).code == 0
    assert queues(ask(broker, group, topic, "c0")) == [-1]


def test_more_clients_than_queues(broker, group, topic, members):
    """Goal: in mode POP with shares each of many clients has a queue."""
    members(8)
    assert set_mode(broker, group, topic, share=1).code == 0
    assert [queues(ask(broker, group, topic, "c%d" % i)) for i in (0, 5, 6, 7)] == [[0], [5], [0], [1]]


def test_retry_topics_are_pulled(broker, group, topic, members):
    """Goal: a retry topic has no request mode."""
    assert set_mode(broker, group, "%RETRY%" + group).code == 16


@pytest.mark.parametrize("body, code", (({"topic": "no_such_topic_at_all", "consumerGroup": "g", "mode": "POP"}, 17), (b"x", 1)))
def test_wrong_settings_are_refused(broker, body, code):
    """Goal: an unknown topic, and a body that is none."""
    assert broker.call(SET_MODE, body=body).code == code


def test_the_table_of_modes(broker, group, topic):
    """Goal: what was set stands in the table."""
    assert set_mode(broker, group, topic, share=3).code == 0
    table = broker.call(ALL_MODES).json()["messageRequestModeMap"]
    assert table[topic][group] == {"consumerGroup": group, "mode": "POP", "popShareQueueNum": 3, "topic": topic}
    assert set_mode(broker, group, topic, mode="PULL").code == 0
    assert broker.call(ALL_MODES).json()["messageRequestModeMap"][topic][group]["mode"] == "PULL"
