"""Message traces: clients send them as messages to a topic the broker makes for them."""

import mini_client as mq
import pytest
import servers
from conftest import max_offset, pull_all
from servers import wait_until


@pytest.fixture(scope="module")
def pair(target, tmp_path_factory):
    conf = {"traceTopicEnable": "true", "msgTraceTopicName": "my_traces"}
    with servers.Pair(target, tmp_path_factory.mktemp("trace"), conf=conf) as both:
        yield both


def test_trace_topic_is_there_from_the_start(broker, name_server):
    """Goal: with traceTopicEnable the topic msgTraceTopicName has one queue and is routed."""
    config = broker.call(351, {"topic": "my_traces"}).json()
    assert (config["readQueueNums"], config["writeQueueNums"], config["perm"]) == (1, 1, 6)
    data = wait_until(lambda: name_server.call(105, {"topic": "my_traces"})).json()
    assert data["queueDatas"][0]["readQueueNums"] == 1


def test_traces_are_messages(broker, group):
    """Goal: a trace is stored under its keys and read like any message."""
    fields = mq.send_fields("my_traces", properties={"KEYS": "AC1 order-1"},
                            producerGroup="_INNER_TRACE_PRODUCER-p")
    assert broker.call(310, fields, b"Pub\x01...\x02").code == 0
    wait_until(lambda: max_offset(broker, "my_traces") == 1)
    record, = pull_all(broker, group, "my_traces")
    assert record.body.startswith(b"Pub")
    wait_until(lambda: broker.call(12, {"topic": "my_traces", "key": "AC1", "maxNum": 8, "beginTimestamp": 0,
                                        "endTimestamp": mq.now_ms() + 1000}).code == 0)


def test_standard_trace_topic_takes_messages_too(broker):
    """Goal: clients that were told no other name use RMQ_SYS_TRACE_TOPIC; it comes to be by itself."""
    answer = broker.call(310, mq.send_fields("RMQ_SYS_TRACE_TOPIC"), b"Pub\x01...\x02")
    assert answer.code == 0, answer.remark
