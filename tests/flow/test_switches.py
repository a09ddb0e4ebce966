"""Settings by which an operator changes what clients are answered. Each test changes some at run time and puts them back."""

import mini_client as mq
import pytest
import servers
from conftest import BROKER_CONF, heartbeat, make_topic, pull, send
from pops import POLLING, POP, ack, change, pop, pop_fields
from servers import wait_until

SEND, LITE_PULL, RECALL, NOTIFY, ASSIGN, MEMBERS = 310, 361, 370, 200054, 400, 38


@pytest.fixture(scope="module")
def pair(target, tmp_path_factory):
    """Servers of these tests' own: what is set at start, too."""
    conf = {**BROKER_CONF, "defaultMessageRequestMode": "POP", "recallMessageEnable": "true"}
    with servers.Pair(target, tmp_path_factory.mktemp("switches"), conf=conf) as both:
        yield both


@pytest.fixture
def settings(broker):
    """Changes settings; after the test they are as before."""
    lines = broker.call(26).body.decode().splitlines()
    before = dict(line.split("=", 1) for line in lines if "=" in line)
    changed = {}

    def put(values):
        assert broker.call(25, body="".join("%s=%s\n" % pair for pair in values.items()).encode()).code == 0

    def change(**values):
        changed.update((key, before[key]) for key in values)
        put(values)

    yield change
    if changed:
        put(changed)


# ---- pulling -----------------------------------------------------------------------------------------


def test_lite_pulls_can_be_refused(broker, topic, group, settings):
    """Goal: litePullMessageEnable=false: 16 for 361, and 11 goes on."""
    send(broker, topic)
    assert broker.call(LITE_PULL, mq.pull_fields(group, topic)).code == 0
    settings(litePullMessageEnable="false")
    answer = broker.call(LITE_PULL, mq.pull_fields(group, topic))
    assert (answer.code, answer.ext["forbiddenType"]) == (16, "1") and answer.remark
    assert pull(broker, group, topic).code == 0


def test_consumers_that_pull_can_be_refused(broker, topic, group, settings):
    """Goal: rejectPullConsumerEnable: 24 for a group that is not online or pulls by itself; one that is pushed goes
    on."""
    send(broker, topic)
    settings(rejectPullConsumerEnable="true")
    assert pull(broker, group, topic).code == 24
    heartbeat(broker, "c1", {group: [mq.subscription(topic)]})
    assert pull(broker, group, topic).code == 0


def test_a_broker_that_may_not_be_read(broker, topic, group, settings):
    """Goal: brokerPermission without 4: 16 for pulls (forbiddenType 1), pops and notifications; sends are taken."""
    send(broker, topic)
    settings(brokerPermission=2)
    answer = pull(broker, group, topic)
    assert (answer.code, answer.ext["forbiddenType"]) == (16, "1")
    assert broker.call(POP, pop_fields(group, topic, poll_ms=30000)).code == 16
    assert broker.call(NOTIFY, notify_fields(group, topic)).code == 16
    assert broker.call(SEND, mq.send_fields(topic), b"x").code == 0


def test_short_polling(broker, topic, group, settings):
    """Goal: with longPollingEnable=false a pull waits shortPollingTimeMills, however long it asked for."""
    settings(longPollingEnable="false", shortPollingTimeMills=500)
    answer = broker.call(11, mq.pull_fields(group, topic, suspend_ms=3000000))
    assert answer.code == 19


# ---- popping -----------------------------------------------------------------------------------------


def notify_fields(group, topic, **more):
    return {"consumerGroup": group, "topic": topic, "queueId": -1, "pollTime": 0, "bornTime": mq.now_ms(), **more}


def waiting(broker, group, topic):
    return int(broker.call(POLLING, {"consumerGroup": group, "topic": topic, "queueId": -1}).ext["pollingNum"])


def test_pops_that_wait_are_limited(broker, connect, topic, group, settings):
    """Goal: beyond popPollingSize a pop of the same topic, group and queue is answered 209 at once; those that wait
    are served."""
    settings(popPollingSize=1)
    waiters = [connect() for _ in range(2)]
    opaques = [waiter.send(POP, pop_fields(group, topic, count=1, poll_ms=50000)) for waiter in waiters]
    wait_until(lambda: waiting(broker, group, topic) == 2, what="two pops to wait")
    assert broker.call(POP, pop_fields(group, topic, poll_ms=30000)).code == 209
    for queue in (0, 1):
        send(broker, topic, queue_id=queue)
    assert [waiter.receive(opaque).code for waiter, opaque in zip(waiters, opaques)] == [0, 0]


def test_all_that_wait_are_limited(broker, topic, group, settings):
    """Goal: beyond maxPopPollingSize of all groups a pop is answered 209, a notification that polling is full."""
    settings(maxPopPollingSize=0)
    assert broker.call(POP, pop_fields(group, topic, poll_ms=30000)).code == 209
    answer = broker.call(NOTIFY, notify_fields(group, topic, pollTime=30000))
    assert answer.code == 0 and answer.ext == {"hasMsg": "false", "pollingFull": "true"}


def test_messages_that_are_out_are_limited(broker, topic, group, settings):
    """Goal: enablePopMessageThreshold: a queue gives nothing while more than popInflightMessageThreshold of it are
    out, and goes on when they are acknowledged."""
    settings(enablePopMessageThreshold="true", popInflightMessageThreshold=1)
    for _ in range(3):
        send(broker, topic)
    messages = pop(broker, group, topic, queue=0, count=2, poll_ms=10000)
    assert len(messages) == 2 and pop(broker, group, topic, queue=0) == []
    for message in messages:
        assert ack(broker, group, message).code == 0
    wait_until(lambda: pop(broker, group, topic, queue=0), what="the third message")


def test_messages_of_a_retry_topic_as_they_are_stored(broker, topic, group, settings):
    """Goal: popResponseReturnActualRetryTopic: what comes again names the retry topic, and its handle is made from the
    answer as that of any message."""
    settings(popResponseReturnActualRetryTopic="true")
    send(broker, topic, b"again")
    assert len(pop(broker, group, topic, invisible_ms=1000, poll_ms=10000)) == 1

    def again():
        answer = broker.call(POP, pop_fields(group, topic))
        return answer if answer.code == 0 else None

    answer = wait_until(again, what="the message again")
    record, = mq.decode_records(answer.body)
    assert record.topic == "%%RETRY%%%s_%s" % (group, topic) and record.body == b"again"
    assert answer.ext["startOffsetInfo"] == "1 0 0" and answer.ext["msgOffsetInfo"] == "1 0 0"


def test_a_pop_of_weeks_is_acknowledged(broker, topic, group, settings, target):
    """Goal: with timerMaxDelaySec raised a message may be out for longer than the table of pops counts, and its handle
    still acknowledges it."""
    settings(timerMaxDelaySec=2000000)
    send(broker, topic)
    message, = pop(broker, group, topic, queue=0, invisible_ms=1100000000, poll_ms=20000)
    assert ack(broker, group, message).code == 0
    if target == "ramjet":  # the reference would bring it back
        assert change(broker, group, message, 0)[0].code == 208


# ---- queues dealt out by the broker ------------------------------------------------------------------


def assignments(broker, group, topic, client):
    body = {"topic": topic, "consumerGroup": group, "clientId": client, "strategyName": "AVG", "messageModel": "CLUSTERING"}
    answer = broker.call(ASSIGN, body=body)
    assert answer.code == 0, answer.remark
    return sorted((each["messageQueue"]["queueId"], each["mode"]) for each in answer.json()["messageQueueAssignments"])


def test_the_broker_need_not_deal_out(broker, connect, name_server, topic, group, settings):
    """Goal: serverLoadBalancerEnable=false: each client reads all queues. defaultMessageRequestMode=POP: groups for
    which nothing was set pop."""
    wait_until(lambda: name_server.call(105, {"topic": topic}).code == 0, what="the route")
    for client in ("c0", "c1"):
        heartbeat(connect(), client, {group: [mq.subscription(topic)]})
    assert assignments(broker, group, topic, "c0") == [(-1, "POP")]
    settings(serverLoadBalancerEnable="false")
    assert assignments(broker, group, topic, "c0") == [(queue, "POP") for queue in range(4)]


# ---- times of their own ------------------------------------------------------------------------------


def test_the_longest_time_of_a_message_can_be_changed(broker, topic, settings):
    """Goal: timerMaxDelaySec decides what is too far off: 13, and the remark tells the bound."""
    settings(timerMaxDelaySec=60)
    answer = broker.call(SEND, mq.send_fields(topic, 0, {"TIMER_DELAY_SEC": "70"}), b"x")
    assert answer.code == 13 and "60000ms" in answer.remark
    assert broker.call(SEND, mq.send_fields(topic, 0, {"TIMER_DELAY_SEC": "50"}), b"x").code == 0
    settings(timerMaxDelaySec=600000)
    assert broker.call(SEND, mq.send_fields(topic, 0, {"TIMER_DELAY_SEC": "590000"}), b"x").code == 0


def test_recalls_of_a_broker_that_may_not_be_written(broker, topic, settings):
    """Goal: without write permission recalls are taken, unless allowRecallWhenBrokerNotWriteable is off: 14."""
    sent = broker.call(SEND, mq.send_fields(topic, 0, {"TIMER_DELAY_SEC": "600"}), b"x")
    fields = {"topic": topic, "recallHandle": sent.ext["recallHandle"], "producerGroup": "p"}
    settings(brokerPermission=4)
    assert broker.call(RECALL, fields).code == 0
    settings(allowRecallWhenBrokerNotWriteable="false")
    assert broker.call(RECALL, fields).code == 14


# ---- what comes to be by itself ----------------------------------------------------------------------


def test_a_broker_that_makes_no_topics(target, tmp_path):
    """Goal: autoCreateTopicEnable=false: a send to an unknown topic is 17, to a known one it is taken; retry topics still
    come to be. (At start: 5.3.3 has no way back at run time.)"""
    with servers.Pair(target, tmp_path, conf={**BROKER_CONF, "autoCreateTopicEnable": "false"}) as both:
        with both.broker.connect() as connection:
            assert connection.call(SEND, mq.send_fields("unknown"), b"x").code == 17
            send(connection, make_topic(connection, "known"))
            assert connection.call(SEND, mq.send_fields("%RETRY%group"), b"x").code == 0


# ---- clients that are silent -------------------------------------------------------------------------


def test_a_client_that_is_silent_is_dropped(target, tmp_path):
    """Goal: a consumer without a heartbeat for channelExpiredTimeout is out of its group, and its connection closed.
    Method: it stays connected and says nothing; who is in no group asks."""
    with servers.Pair(target, tmp_path, conf={**BROKER_CONF, "channelExpiredTimeout": 1500}) as both:
        with both.broker.connect() as silent, both.broker.connect() as stranger:
            topic = make_topic(stranger, "silence")
            heartbeat(silent, "silent", {"g": [mq.subscription(topic)]})
            wait_until(lambda: stranger.call(MEMBERS, {"consumerGroup": "g"}).code == 1, 60, "the silent one to go")
            silent.wait_closed()
            assert pull(stranger, "g", topic).code == 19
