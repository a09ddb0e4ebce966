"""What the broker refuses and leaves off when it cannot keep up: delay, disk, rates, the ladder.

Ramjet's own behaviour. What is measured is what a fault point says: no test depends on speed.
"""

import pytest

import mini_client as mq
import servers
import pops
from conftest import make_topic, max_offset, pull, pull_all, send

BUSY, FLUSH_DISK_TIMEOUT, POLLING_FULL, FLOW_CONTROL = 2, 10, 209, 215
HOUR_MS = 3600 * 1000
PATIENT_MS = 600_000  # a busy machine must not climb the ladder by itself
S = 1_000_000_000
LOW = "LowPriorityOfTheGuard"
TRACE = "RMQ_SYS_TRACE_TOPIC"
FIGURES = ("degradationRung", "diskBreaker", "refusedByDelay", "refusedByDisk", "refusedByRate", "refusedByColdReads",
           "refusedByRung")


@pytest.fixture(scope="module")
def guarded_pair(target, tmp_path_factory):
    if target != "ramjet":
        pytest.skip("Ramjet's own")
    conf = {"lowPriorityTopics": "Another;" + LOW, "traceTopicEnable": "true", "messageDelayLevel": "1s 2h",
            "degradeDelayMillis": str(PATIENT_MS), "waitTimeMillsInSendQueue": "200", "diskBreakerMillis": "2000"}
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
        set_conf(connection, sendRatePerTopic=0, sendRatePerConnection=0, pullRatePerGroup=0, sendRateOfTopics="",
                 pullRateOfGroups="", degradeDelayMillis=0, coldDataFlowControlEnable="false", cgColdReadThreshold=3145728,
                 globalColdReadThreshold=104857600, diskBreakerMillis=0)
        connection.call(28)
        servers.wait_until(lambda: figure(connection, "degradationRung") == "0", 60, "the foot of the ladder")
        set_conf(connection, degradeDelayMillis=PATIENT_MS, diskBreakerMillis=2000)


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


def await_line(guarded, line):
    """A thread of its own writes the log: what happened is there a little later."""
    servers.wait_until(lambda: line in guarded.log_path.read_text(), what="%s in the log" % line)


def try_send(connection, topic, queue_id=0, properties=None):
    return connection.call(310, mq.send_fields(topic, queue_id, properties), b"x")


def first_answer(code, call):
    """The first answer with this code, however many it takes: what refills in a second may refill faster than it is
    asked for by a machine that stands still."""
    return next(answer for answer in iter(call, None) if answer.code == code)


def send_back(connection, group, record):
    return connection.call(36, {"offset": record.phy_offset, "group": group, "delayLevel": 2,
                                "originMsgId": record.msg_id, "originTopic": record.topic})


def leave_ladder(guarded, connection):
    """Down at once: what was left off is taken up."""
    guarded.arm("clear")
    set_conf(connection, degradeDelayMillis=0)
    servers.wait_until(lambda: figure(connection, "degradationRung") == "0", 60, "the foot of the ladder")


def put_count(connection, topic):
    """Messages of the last minute, as counted by the topic's name."""
    answer = connection.call(315, {"statsName": "TOPIC_PUT_NUMS", "statsKey": topic})
    return answer.json()["statsMinute"]["sum"] if answer.code == 0 else 0


def await_pull(connection, group, topic):
    """A pull of what is in memory is served: sooner or later, for a queue that is just being written is as cold."""
    servers.wait_until(lambda: pull(connection, group, topic).code == 0, what="a pull")


def climb_to(guarded, connection, rung):
    """Says that all is late until the rung is reached."""
    guarded.arm("value", "overload.delay_ns", 2 * PATIENT_MS * 1_000_000)
    servers.wait_until(lambda: int(figure(connection, "degradationRung")) >= rung, 60, "rung %d" % rung)


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


def test_the_breaker_opens_around_a_sick_disk_half_opens_and_closes(guarded, connection, name):
    """Goal: while answers wait for the disk too long, sends are refused at the door, pulls go on, and the
    state is seen; when the wait is over one send at a time is taken, and when one is on the disk all are."""
    topic = make_topic(connection, name())
    send(connection, topic)
    guarded.arm("value", "overload.disk_ns", 3 * S)
    answer = try_send(connection, topic)
    assert answer.code == BUSY
    assert answer.remark == "[DISK_BREAKER]broker busy: answers wait for the disk since 3000ms, breaker open"
    assert figure(connection, "diskBreaker") == "open"
    assert pull(connection, name("group"), topic).code == 0
    guarded.arm("value", "overload.disk_ns", 5_000_000)
    assert figure(connection, "diskBreaker") == "half open"
    answer = try_send(connection, topic)
    assert answer.code == BUSY and answer.remark.endswith("since 5ms, breaker half open")
    guarded.arm("value", "overload.disk_ns", 0)
    assert try_send(connection, topic).code == 0
    servers.wait_until(lambda: figure(connection, "diskBreaker") == "closed", 60, "a closed breaker")
    assert try_send(connection, topic).code == 0
    assert max_offset(connection, topic) == 3
    for line in ("disk_breaker_open waited_ms=3000", "disk_breaker_half_open", "disk_breaker_closed"):
        await_line(guarded, line)


def test_what_gave_up_waiting_keeps_the_breaker_open(target, tmp_path, name):
    """Goal: with SYNC_FLUSH the breaker goes by the disk and not by the answers: that they were given up does not
    close it, a sync does.
    Method: one sync takes until it is let go, answers wait for it 0.3 s."""
    if target != "ramjet":
        pytest.skip("Ramjet's own")
    conf = {"flushDiskType": "SYNC_FLUSH", "syncFlushTimeout": "300", "diskBreakerMillis": "200"}
    pair = servers.Pair(target, tmp_path, conf=conf)
    pair.broker.take_faults()
    with pair, pair.broker.connect() as connection:
        topic = make_topic(connection, name())
        servers.wait_until(lambda: try_send(connection, topic).code == 0, 60, "a disk that is quick enough")
        pair.broker.arm("pause", "disk.sync_range", 0, 1, HOUR_MS)
        assert try_send(connection, topic).code == FLUSH_DISK_TIMEOUT
        # the first may have waited for another sync, of a slow disk, that ended; were giving up enough, none was busy
        servers.wait_until(lambda: try_send(connection, topic).code == BUSY, 60, "an open breaker")
        assert figure(connection, "diskBreaker") == "open"
        pair.broker.arm("clear")
        servers.wait_until(lambda: try_send(connection, topic).code == 0, 60, "an accepted send")
        assert figure(connection, "diskBreaker") == "closed"


@pytest.mark.parametrize("cause, begin", (({"overload.wait_ns": S // 4, "overload.requests": 100}, "[TIMEOUT_CLEAN_QUEUE]"),
                                          ({"overload.disk_ns": 3 * S}, "[DISK_BREAKER]")))
def test_what_is_sent_back_passes_the_same_door(guarded, connection, name, cause, begin):
    """Goal: CONSUMER_SEND_MSG_BACK (36) is refused like a send, and nothing of it is stored."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    record = pull_all(connection, group, topic)[0]
    before = max_offset(connection, "SCHEDULE_TOPIC_XXXX", 1)
    for point, value in cause.items():
        guarded.arm("value", point, value)
    answer = send_back(connection, group, record)
    assert answer.code == BUSY and answer.remark.startswith(begin)
    assert max_offset(connection, "SCHEDULE_TOPIC_XXXX", 1) == before
    guarded.arm("clear")
    servers.wait_until(lambda: send_back(connection, group, record).code == 0, 60, "an open door")
    assert max_offset(connection, "SCHEDULE_TOPIC_XXXX", 1) == before + 1


def test_what_is_sent_back_counts_for_the_rate_of_its_retry_topic(connection, name):
    """Goal: sendRatePerTopic holds for %RETRY%group, too."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    record = pull_all(connection, group, topic)[0]
    set_conf(connection, sendRatePerTopic=1)
    refused = first_answer(BUSY, lambda: send_back(connection, group, record))
    assert refused.remark.endswith("to topic %%RETRY%%%s (sendRatePerTopic)" % group)


def test_a_topic_over_its_rate(connection, name):
    """Goal: a second's worth is taken, then SYSTEM_BUSY names topic, rate and key; other topics go on."""
    topic, other = make_topic(connection, name()), make_topic(connection, name())
    set_conf(connection, sendRatePerTopic=1)
    assert try_send(connection, topic).code == 0
    refused = first_answer(BUSY, lambda: try_send(connection, topic))
    assert refused.remark == "[FLOW_CONTROL]more than 1 messages a second to topic %s (sendRatePerTopic)" % topic
    assert try_send(connection, other).code == 0
    set_conf(connection, sendRatePerTopic=0)
    assert try_send(connection, topic).code == 0


def test_a_topic_and_a_group_with_a_rate_of_their_own(connection, name):
    """Goal: it holds in place of that of all, also where there is none or none is meant, and a value that is no list is refused."""
    mine, free, other = (make_topic(connection, name()) for _ in range(3))
    group = name("group")
    set_conf(connection, sendRateOfTopics="%s=1;%s=0" % (mine, free), pullRateOfGroups="%s=1" % group)
    refused = first_answer(BUSY, lambda: try_send(connection, mine))
    assert refused.remark == "[FLOW_CONTROL]more than 1 messages a second to topic %s (sendRateOfTopics)" % mine
    refused = first_answer(FLOW_CONTROL, lambda: pull(connection, group, mine))
    assert refused.remark == "[FLOW_CONTROL]more than 1 pulls a second by group %s (pullRateOfGroups)" % group
    assert try_send(connection, other).code == 0
    set_conf(connection, sendRatePerTopic=1)
    first_answer(BUSY, lambda: try_send(connection, other))
    for _ in range(3):
        assert try_send(connection, free).code == 0
    answer = connection.call(25, body=b"sendRateOfTopics=orders:5")
    assert answer.code != 0 and "sendRateOfTopics" in answer.remark and "name=number" in answer.remark


def test_a_connection_over_its_rate(guarded, connection, name):
    """Goal: the rate is each connection's own."""
    topic = make_topic(connection, name())
    set_conf(connection, sendRatePerConnection=1)
    first_answer(BUSY, lambda: try_send(connection, topic))
    with guarded.connect() as innocent:
        assert try_send(innocent, topic).code == 0


def test_a_group_over_its_rate(connection, name):
    """Goal: pulls beyond it get FLOW_CONTROL, which makes clients come again soon; other groups go on."""
    topic = make_topic(connection, name())
    send(connection, topic)
    set_conf(connection, pullRatePerGroup=1)
    group = name("group")
    assert pull(connection, group, topic).code == 0
    refused = first_answer(FLOW_CONTROL, lambda: pull(connection, group, topic))
    assert "pullRatePerGroup" in refused.remark
    assert pull(connection, name("group"), topic).code == 0


def test_pops_of_a_group_over_its_rate(connection, name):
    """Goal: pops count for pullRatePerGroup; beyond it they get POLLING_FULL, after which clients wait a little."""
    topic, group = make_topic(connection, name()), name("group")
    set_conf(connection, pullRatePerGroup=1)
    refused = first_answer(POLLING_FULL, lambda: connection.call(pops.POP, pops.pop_fields(group, topic)))
    assert refused.remark == "[FLOW_CONTROL]more than 1 pops a second by group %s (pullRatePerGroup)" % group


def test_a_group_that_reads_much_from_the_disk_is_slowed_down(guarded, connection, name):
    """Goal: with coldDataFlowControlEnable a pull that needs the disk is refused while its group has read more than
    cgColdReadThreshold within the window; hot pulls go on, and without the setting nobody is refused.
    Method: fault points make a message cold and say what the group has read."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    set_conf(connection, coldDataFlowControlEnable="true")
    guarded.arm("value", "overload.cold_bytes", 4_000_000)
    guarded.arm("fail", "pull.cold", 0, 1, "would_block")
    answer = pull(connection, group, topic)
    assert answer.code == BUSY
    assert answer.remark == "[COLD_READS]group %s read 4000000 bytes from the disk in 5 s (cgColdReadThreshold)" % group
    await_pull(connection, group, topic)
    assert int(figure(connection, "refusedByColdReads")) >= 1
    set_conf(connection, coldDataFlowControlEnable="false")
    guarded.arm("fail", "pull.cold", 0, 1, "would_block")
    assert pull(connection, group, topic).code == 0


def test_what_a_group_reads_from_the_disk_is_counted(guarded, connection, name):
    """Goal: the window holds what was really read by a group: beyond a threshold of one byte it is refused."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    set_conf(connection, coldDataFlowControlEnable="true", cgColdReadThreshold=1)
    codes = []

    def is_refused():
        guarded.arm("clear")
        guarded.arm("fail", "pull.cold", 0, 1, "would_block")
        codes.append(pull(connection, group, topic).code)
        return codes[-1] == BUSY

    servers.wait_until(is_refused, 60, "a refusal")
    assert codes[0] == 0


def test_all_groups_together_are_slowed_down(guarded, connection, name):
    """Goal: beyond globalColdReadThreshold every group's reads from the disk are refused, also of one that has read
    little itself; hot pulls go on.
    Method: fault points make a message cold and say what was read."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    set_conf(connection, coldDataFlowControlEnable="true", cgColdReadThreshold=10_000_000, globalColdReadThreshold=1_000_000)
    guarded.arm("value", "overload.cold_bytes", 4_000_000)
    guarded.arm("fail", "pull.cold", 0, 1, "would_block")
    answer = pull(connection, group, topic)
    assert answer.code == BUSY
    assert answer.remark == ("[COLD_READS]all groups with %s read 4000000 bytes from the disk in 5 s (globalColdReadThreshold)" % group)
    await_pull(connection, group, topic)


def test_pops_that_read_much_from_the_disk_are_slowed_down(guarded, connection, name):
    """Goal: a pop that finds nothing but what is on the disk gets POLLING_FULL when its group has read too much from
    there, and the message once that is over.
    Method: as above."""
    topic, group = make_topic(connection, name(), queues=1), name("group")
    send(connection, topic, b"cold")
    set_conf(connection, coldDataFlowControlEnable="true")
    guarded.arm("value", "overload.cold_bytes", 4_000_000)
    guarded.arm("fail", "pop.cold", 0, 1, "would_block")
    answer = connection.call(pops.POP, pops.pop_fields(group, topic, queue=0))
    assert answer.code == POLLING_FULL
    assert answer.remark.startswith("[COLD_READS]group %s read 4000000 bytes" % group)
    guarded.arm("clear")
    set_conf(connection, coldDataFlowControlEnable="false")
    servers.wait_until(lambda: [m.body for m in pops.pop(connection, group, topic, expect=(pops.FOUND, pops.POLLING_TIMEOUT))] == [b"cold"],
                       60, "the message")


def test_a_group_may_have_a_threshold_of_its_own(guarded, connection, name):
    """Goal: a threshold set for a group (2001) counts for its reads from the disk and not for others', until it is
    taken back (2002). Method: as above."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    set_conf(connection, coldDataFlowControlEnable="true")

    def pull_cold(reader):
        guarded.arm("fail", "pull.cold", 0, 1, "would_block")
        return pull(connection, reader, topic).code

    guarded.arm("value", "overload.cold_bytes", 1000)
    assert pull_cold(group) == 0
    assert connection.call(2001, body=b"%s=1000\n" % group.encode()).code == 0
    assert pull_cold(group) == BUSY
    assert pull_cold(name("other")) == 0
    assert connection.call(2002, body=group.encode()).code == 0
    assert pull_cold(group) == 0


def test_rung_1_leaves_off_the_trace(guarded, connection, name):
    """Goal: trace messages are refused, others are not."""
    topic = make_topic(connection, name())
    assert try_send(connection, TRACE).code == 0
    climb_to(guarded, connection, 1)
    answer = try_send(connection, TRACE)
    assert answer.code == BUSY and answer.remark == "[DEGRADED]broker busy: trace are left off for a while"
    assert try_send(connection, topic).code == 0
    await_line(guarded, "degraded rung=1 left_off=trace delay_ms=%d" % (2 * PATIENT_MS))


def test_rung_2_puts_the_index_off_and_loses_nothing(guarded, connection, name):
    """Goal: what is sent meanwhile is found by its key, at the latest when the rung was left."""
    topic = make_topic(connection, name())
    climb_to(guarded, connection, 2)
    send(connection, topic, b"kept", properties={"KEYS": "late"})
    guarded.arm("clear")
    set_conf(connection, degradeDelayMillis=0)
    connection.call(28)
    fields = {"topic": topic, "key": "late", "maxNum": 32, "beginTimestamp": 0, "endTimestamp": 2 ** 62}
    found = servers.wait_until(lambda: a if (a := connection.call(12, fields)).code == 0 else None, 60, "the key")
    assert [r.body for r in mq.decode_records(found.body)] == [b"kept"]


def test_rung_3_leaves_off_statistics_by_name(guarded, connection, name):
    """Goal: what is sent meanwhile is not counted by topic, what is sent afterwards is."""
    topic = make_topic(connection, name())
    send(connection, topic)
    climb_to(guarded, connection, 3)
    send(connection, topic)
    leave_ladder(guarded, connection)
    send(connection, topic)
    assert put_count(connection, topic) == 2
    assert max_offset(connection, topic) == 3


def test_rung_4_leaves_off_cold_reads(guarded, connection, name):
    """Goal: a pull that would have to wait for the disk gets FLOW_CONTROL, a hot one is served.
    Method: a fault point makes a message cold once."""
    topic = make_topic(connection, name())
    send(connection, topic)
    climb_to(guarded, connection, 4)
    guarded.arm("fail", "pull.cold", 0, 1, "would_block")
    answer = pull(connection, name("group"), topic)
    assert answer.code == FLOW_CONTROL and answer.remark.startswith("[DEGRADED]")
    await_pull(connection, name("group"), topic)


def test_rung_4_leaves_off_cold_pops(guarded, connection, name):
    """Goal: a pop whose messages are all on the disk gets POLLING_FULL at once, one that finds others gets those, and
    what was left off is had later.
    Method: a fault point makes the messages of the queue that is read first cold."""
    topic, group = make_topic(connection, name(), queues=2), name("group")
    send(connection, topic, b"0", queue_id=0)
    send(connection, topic, b"1", queue_id=1)
    climb_to(guarded, connection, 4)
    guarded.arm("fail", "pop.cold", 0, 1, "would_block")
    answer = connection.call(pops.POP, pops.pop_fields(group, topic, queue=0, poll_ms=15000))
    assert answer.code == POLLING_FULL and answer.remark.startswith("[DEGRADED]")
    guarded.arm("fail", "pop.cold", 0, 1, "would_block")
    some = (pops.FOUND, POLLING_FULL, pops.POLLING_TIMEOUT)  # a queue that is just being written is as cold
    found = pops.pop(connection, group, topic, expect=some)
    assert len(found) <= 1
    servers.wait_until(lambda: found.extend(pops.pop(connection, group, topic, expect=some)) or len(found) >= 2,
                       what="the rest")
    assert sorted(m.body for m in found) == [b"0", b"1"]


def test_a_cold_pop_is_read_by_a_worker(guarded, connection, name):
    """Goal: without a rung what is on the disk is popped like all else."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic, b"old")
    guarded.arm("fail", "pop.cold", 0, 1, "would_block")
    answer = connection.call(pops.POP, pops.pop_fields(group, topic))
    assert [m.body for m in pops.popped_of(answer, group)] == [b"old"]


@pytest.mark.parametrize("properties", ({"TIMER_DELAY_MS": "1500"}, {"DELAY": "1"}), ids=("timers", "levels"))
def test_rung_5_paces_what_is_due(guarded, connection, name, properties):
    """Goal: a backlog of timers or of a delay level is delivered a few at a time, and at once when the rung was left.
    Method: a fault point makes the pause between two times an hour."""
    topic = make_topic(connection, name())
    climb_to(guarded, connection, 5)
    guarded.arm("value", "timers.pace_ms", HOUR_MS)
    servers.wait_until(lambda: int(figure(connection, "degradationRung")) >= 5, 60, "rung 5")
    for _ in range(40):
        assert try_send(connection, topic, properties=properties).code == 0
    servers.wait_until(lambda: max_offset(connection, topic) > 0, 60, "what is due first")
    assert max_offset(connection, topic) <= 16
    leave_ladder(guarded, connection)
    servers.wait_until(lambda: max_offset(connection, topic) == 40, 60, "all that is due")


def test_rung_6_leaves_off_low_priority_topics(guarded, connection, name):
    """Goal: only the topics named are refused, at the top; hot pulls go on."""
    topic = make_topic(connection, name())
    assert try_send(connection, LOW).code == 0
    climb_to(guarded, connection, 6)
    answer = try_send(connection, LOW)
    assert answer.code == BUSY and "low_priority_topics" in answer.remark
    assert try_send(connection, topic).code == 0
    await_pull(connection, name("group"), topic)
    assert figure(connection, "degradationName") == "low_priority_topics"


def test_the_ladder_is_left_by_itself(guarded, connection, name):
    """Goal: when the delay is gone, every rung is left, each with a line, and all is taken again."""
    climb_to(guarded, connection, 1)
    guarded.arm("value", "overload.delay_ns", 0)
    servers.wait_until(lambda: figure(connection, "degradationRung") == "0", 60, "the foot of the ladder")
    assert try_send(connection, TRACE).code == 0
    await_line(guarded, "recovered rung=0 taken_up=trace")


def test_a_read_that_no_worker_can_take_is_refused(guarded, connection, name):
    """Goal: when too many requests wait for the disk the next one gets SYSTEM_BUSY with the reason, and the one after
    it is served again."""
    topic, group = make_topic(connection, name()), name("group")
    send(connection, topic)
    guarded.arm("fail", "pull.cold", 0, 1, "would_block")
    guarded.arm("fail", "offload.start", 0, 1, "too_big")
    answer = pull(connection, group, topic)
    assert answer.code == BUSY
    assert answer.remark == "[OVERLOAD]system busy, too many requests wait for the disk"
    assert pull(connection, group, topic).code == 0


def test_a_pull_that_finds_no_room_to_wait_is_refused(guarded, connection, name):
    """Goal: when too many pulls wait for messages the next one gets SYSTEM_BUSY with the reason."""
    topic, group = make_topic(connection, name()), name("group")
    guarded.arm("fail", "pull.park", 0, 1, "too_big")
    answer = pull(connection, group, topic, suspend_ms=20000)
    assert answer.code == BUSY and answer.remark.startswith("[OVERLOAD]too many pulls wait for messages: ")


def test_figures_are_there(connection):
    """Goal: the runtime information shows the state and what was refused."""
    table = connection.call(28).json()["table"]
    assert set(FIGURES) <= set(table)
