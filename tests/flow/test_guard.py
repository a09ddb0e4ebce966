"""What the broker refuses and leaves off when it cannot keep up: delay, disk, rates, the ladder.

Ramjet's own behaviour. What is measured is what a fault point says: no test depends on speed.
"""

import pytest

import mini_client as mq
import servers
from conftest import make_topic, max_offset, pull, send

BUSY, FLOW_CONTROL = 2, 215
S = 1_000_000_000
LOW = "LowPriorityOfTheGuard"
TRACE = "RMQ_SYS_TRACE_TOPIC"
FIGURES = ("degradationRung", "diskBreaker", "refusedByDelay", "refusedByDisk", "refusedByRate", "refusedByRung")


@pytest.fixture(scope="module")
def guarded_pair(target, tmp_path_factory):
    if target != "ramjet":
        pytest.skip("Ramjet's own")
    conf = {"lowPriorityTopics": "Another;" + LOW, "traceTopicEnable": "true"}
    both = servers.Pair(target, tmp_path_factory.mktemp("guard"), conf=conf)
    both.broker.take_faults()
    with both:
        with both.broker.connect() as connection:
            make_topic(connection, LOW)
        yield both


@pytest.fixture
def guarded(guarded_pair):
    """The broker, at the foot of its ladder before and after."""
    yield guarded_pair.broker
    guarded_pair.broker.arm("clear")
    with guarded_pair.broker.connect() as connection:
        set_conf(connection, sendRatePerTopic=0, sendRatePerConnection=0, pullRatePerGroup=0, degradeDelayMillis=0)
        connection.call(28)
        servers.wait_until(lambda: figure(connection, "degradationRung") == "0", 30, "the foot of the ladder")
        set_conf(connection, degradeDelayMillis=250)


@pytest.fixture
def connection(guarded):
    with guarded.connect() as opened:
        yield opened


def set_conf(connection, **settings):
    text = "".join("%s=%s\n" % pair for pair in settings.items())
    answer = connection.call(25, body=text.encode())
    assert answer.code == 0, answer.remark


def figure(connection, name):
    return connection.call(28).json()["table"][name]


def try_send(connection, topic, queue_id=0):
    return connection.call(310, mq.send_fields(topic, queue_id), b"x")


def climb_to(guarded, connection, rung):
    """Says that all is late until the rung is reached."""
    guarded.arm("value", "overload.delay_ns", 10 * S)
    servers.wait_until(lambda: int(figure(connection, "degradationRung")) >= rung, 30, "rung %d" % rung)


def test_a_late_send_in_a_crowd_is_refused_and_not_stored(guarded, connection, name):
    """Goal: SYSTEM_BUSY with the time it waited, nothing stored, and the next one is taken."""
    topic = make_topic(connection, name())
    before = int(figure(connection, "refusedByDelay"))
    guarded.arm("value", "overload.wait_ns", S // 4)
    guarded.arm("value", "overload.requests", 100)
    answer = try_send(connection, topic)
    assert answer.code == BUSY and answer.remark.startswith("[TIMEOUT_CLEAN_QUEUE]broker busy")
    assert "period in queue: 250ms, size of queue: 100" in answer.remark
    guarded.arm("clear")
    assert int(figure(connection, "refusedByDelay")) == before + 1
    assert max_offset(connection, topic) == 0
    assert try_send(connection, topic).code == 0


def test_a_stall_alone_refuses_nobody(guarded, connection, name):
    """Goal: whoever waited in a pass that is not full is served: nobody behind would be helped."""
    topic = make_topic(connection, name())
    guarded.arm("value", "overload.wait_ns", 10 * S)
    guarded.arm("value", "overload.requests", 5)
    assert try_send(connection, topic).code == 0


def test_fast_failure_can_be_turned_off(guarded, connection, name):
    """Goal: brokerFastFailureEnable=false takes what comes, as late as it is."""
    topic = make_topic(connection, name())
    guarded.arm("value", "overload.wait_ns", 10 * S)
    guarded.arm("value", "overload.requests", 1000)
    set_conf(connection, brokerFastFailureEnable="false")
    assert try_send(connection, topic).code == 0
    set_conf(connection, brokerFastFailureEnable="true")
    assert try_send(connection, topic).code == BUSY


def test_the_breaker_opens_around_a_sick_disk_and_closes(guarded, connection, name):
    """Goal: while answers wait for the disk too long, sends are refused at the door, pulls go on, and the
    state is seen; it ends by itself."""
    topic = make_topic(connection, name())
    send(connection, topic)
    guarded.arm("value", "overload.disk_ns", 3 * S)
    answer = try_send(connection, topic)
    assert answer.code == BUSY and answer.remark == "[DISK_BREAKER]broker busy: answers wait for the disk since 3000ms"
    assert figure(connection, "diskBreaker") == "open"
    assert pull(connection, name("group"), topic).code == 0
    guarded.arm("clear")
    assert try_send(connection, topic).code == 0
    assert figure(connection, "diskBreaker") == "closed"
    assert max_offset(connection, topic) == 2
    log = guarded.log_path.read_text()
    assert "disk_breaker_open waited_ms=3000" in log and "disk_breaker_closed" in log


def test_a_topic_over_its_rate(connection, name):
    """Goal: a second's worth is taken, then SYSTEM_BUSY names topic, rate and key; other topics go on."""
    topic, other = make_topic(connection, name()), make_topic(connection, name())
    set_conf(connection, sendRatePerTopic=1)
    codes = [try_send(connection, topic).code for _ in range(3)]
    assert codes[0] == 0 and BUSY in codes
    refused = next(a for a in iter(lambda: try_send(connection, topic), None) if a.code == BUSY)
    assert refused.remark == "[FLOW_CONTROL]more than 1 messages a second to topic %s (sendRatePerTopic)" % topic
    assert try_send(connection, other).code == 0
    set_conf(connection, sendRatePerTopic=0)
    assert try_send(connection, topic).code == 0


def test_a_connection_over_its_rate(guarded, connection, name):
    """Goal: the rate is each connection's own."""
    topic = make_topic(connection, name())
    set_conf(connection, sendRatePerConnection=1)
    assert BUSY in [try_send(connection, topic).code for _ in range(5)]
    with guarded.connect() as innocent:
        assert try_send(innocent, topic).code == 0


def test_a_group_over_its_rate(connection, name):
    """Goal: pulls beyond it get FLOW_CONTROL, which makes clients come again soon; other groups go on."""
    topic = make_topic(connection, name())
    send(connection, topic)
    set_conf(connection, pullRatePerGroup=1)
    group = name("group")
    answers = [pull(connection, group, topic) for _ in range(5)]
    assert answers[0].code == 0
    refused = next(a for a in answers if a.code != 0)
    assert refused.code == FLOW_CONTROL and "pullRatePerGroup" in refused.remark
    assert pull(connection, name("group"), topic).code == 0


def test_rung_1_leaves_off_the_trace(guarded, connection, name):
    """Goal: trace messages are refused, others are not."""
    topic = make_topic(connection, name())
    assert try_send(connection, TRACE).code == 0
    climb_to(guarded, connection, 1)
    answer = try_send(connection, TRACE)
    assert answer.code == BUSY and answer.remark == "[DEGRADED]broker busy: trace are left off for a while"
    assert try_send(connection, topic).code == 0
    assert "degraded rung=1 left_off=trace delay_ms=10000" in guarded.log_path.read_text()


def test_rung_2_puts_the_index_off_and_loses_nothing(guarded, connection, name):
    """Goal: what is sent meanwhile is found by its key, at the latest when the rung was left."""
    topic = make_topic(connection, name())
    climb_to(guarded, connection, 2)
    send(connection, topic, b"kept", properties={"KEYS": "late"})
    guarded.arm("clear")
    set_conf(connection, degradeDelayMillis=0)
    connection.call(28)
    fields = {"topic": topic, "key": "late", "maxNum": 32, "beginTimestamp": 0, "endTimestamp": 2 ** 62}
    found = servers.wait_until(lambda: a if (a := connection.call(12, fields)).code == 0 else None, 30, "the key")
    assert [r.body for r in mq.decode_records(found.body)] == [b"kept"]


def test_rung_3_leaves_off_cold_reads(guarded, connection, name):
    """Goal: a pull that would have to wait for the disk gets FLOW_CONTROL, a hot one is served.
    Method: a fault point makes a message cold once."""
    topic = make_topic(connection, name())
    send(connection, topic)
    climb_to(guarded, connection, 3)
    guarded.arm("fail", "pull.cold", 0, 1, "would_block")
    answer = pull(connection, name("group"), topic)
    assert answer.code == FLOW_CONTROL and answer.remark.startswith("[DEGRADED]")
    assert pull(connection, name("group"), topic).code == 0


def test_rung_4_leaves_off_low_priority_topics(guarded, connection, name):
    """Goal: only the topics named are refused, at the top; hot pulls go on."""
    topic = make_topic(connection, name())
    assert try_send(connection, LOW).code == 0
    climb_to(guarded, connection, 4)
    answer = try_send(connection, LOW)
    assert answer.code == BUSY and "low_priority_topics" in answer.remark
    assert try_send(connection, topic).code == 0
    assert pull(connection, name("group"), topic).code == 0
    assert figure(connection, "degradationName") == "low_priority_topics"


def test_the_ladder_is_left_by_itself(guarded, connection, name):
    """Goal: when the delay is gone, every rung is left, each with a line, and all is taken again."""
    climb_to(guarded, connection, 1)
    guarded.arm("value", "overload.delay_ns", 0)
    servers.wait_until(lambda: figure(connection, "degradationRung") == "0", 60, "the foot of the ladder")
    assert try_send(connection, TRACE).code == 0
    assert "recovered rung=0 taken_up=trace" in guarded.log_path.read_text()


def test_figures_are_there(connection):
    """Goal: the runtime information shows the state and what was refused."""
    table = connection.call(28).json()["table"]
    assert set(FIGURES) <= set(table)
