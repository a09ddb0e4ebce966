"""Request and reply: a reply is pushed to the client that asked, and stored."""

import threading

import mini_client as mq
import pytest
from conftest import heartbeat, make_topic, max_offset, pull_all
from servers import CLUSTER, wait_until

REPLY_TOPIC = CLUSTER + "_REPLY_TOPIC"


@pytest.fixture
def asker(connect, name):
    """A producer that waits for replies under this client id."""
    connection = connect()
    connection.client_id = name("asker") + "@1"
    heartbeat(connection, connection.client_id, producers=[name("pgroup")])
    return connection


def reply_fields(client_id, topic=REPLY_TOPIC, long_names=False, **properties):
    known = {"MSG_TYPE": "reply", "CORRELATION_ID": "c1", "TTL": "3000", "REPLY_TO_CLIENT": client_id}
    known = {key: value for key, value in {**known, **properties}.items() if value is not None}
    return mq.send_fields(topic, 0, known, long_names, producerGroup="CLIENT_INNER_PRODUCER", flag=7)


@pytest.mark.parametrize("code", [324, 325])
def test_reply_is_pushed_to_who_asked(code, broker, asker):
    """Goal: the asker gets the reply with where it came from; the sender is told when it took it; the reply
    is stored too."""
    before = max_offset(broker, REPLY_TOPIC)
    opaque = broker.send(code, reply_fields(asker.client_id, long_names=code == 324), b"yes")
    pushed = asker.receive_push(code=326)
    assert not pushed.flag & mq.ONEWAY and pushed.body == b"yes"
    assert pushed.ext["topic"] == REPLY_TOPIC and pushed.ext["producerGroup"] == "CLIENT_INNER_PRODUCER"
    assert pushed.ext["flag"] == "7" and pushed.ext["queueId"] == "0"
    assert pushed.ext["bornHost"] == broker.local_address()
    assert pushed.ext["storeHost"] == "127.0.0.1:%d" % broker.address[1]
    assert int(pushed.ext["storeTimestamp"]) > 0
    properties = mq.parse_properties(pushed.ext["properties"])
    assert properties["CORRELATION_ID"] == "c1" and int(properties["PUSH_REPLY_TIME"]) > 0
    assert "CLUSTER" not in properties
    asker.answer(pushed)
    answer = broker.receive(opaque)
    assert answer.code == 0, answer.remark
    assert int(answer.ext["queueOffset"]) == before and "MSG_REGION" in answer.ext
    record = pull_all(broker, "reader", REPLY_TOPIC, offset=before)[0]
    assert record.body == b"yes" and record.msg_id == answer.ext["msgId"]
    assert record.properties["REPLY_TO_CLIENT"] == asker.client_id


@pytest.mark.parametrize("client_id", [None, "nobody@1"])
def test_reply_to_nobody_is_stored_all_the_same(broker, client_id):
    """Goal: without a client that is known the answer is 1 with the reason; the reply is stored."""
    before = max_offset(broker, REPLY_TOPIC)
    answer = broker.call(325, reply_fields(client_id), b"yes")
    assert answer.code == 1 and answer.remark
    assert int(answer.ext["queueOffset"]) == before
    wait_until(lambda: max_offset(broker, REPLY_TOPIC) == before + 1)


def test_client_that_refuses_a_reply(broker, asker):
    """Goal: an error of the client is the sender's."""
    opaque = broker.send(325, reply_fields(asker.client_id), b"yes")
    asker.answer(asker.receive_push(code=326), code=1)
    answer = broker.receive(opaque)
    assert answer.code == 1 and asker.client_id in answer.remark


def test_client_that_leaves_before_it_answers(broker, asker):
    """Goal: the sender is told: at once, of the reference after ten seconds."""
    opaque = broker.send(325, reply_fields(asker.client_id), b"yes")
    asker.receive_push(code=326)
    asker.close()
    assert broker.receive(opaque).code == 1


def test_replies_need_not_be_stored(broker, asker):
    """Goal: storeReplyMessageEnable=false: message id 0, nothing on the topic."""
    before = max_offset(broker, REPLY_TOPIC)
    try:
        assert broker.call(25, body=b"storeReplyMessageEnable=false").code == 0
        opaque = broker.send(325, reply_fields(asker.client_id), b"yes")
        asker.answer(asker.receive_push(code=326))
        answer = broker.receive(opaque)
        assert answer.code == 0 and answer.ext["msgId"] == "0" and answer.ext["queueOffset"] == "0"
    finally:
        assert broker.call(25, body=b"storeReplyMessageEnable=true").code == 0
    assert max_offset(broker, REPLY_TOPIC) == before


def test_reply_passes_the_checks_of_a_send(broker, asker, name):
    """Goal: an unknown topic is 17, a topic nobody may send to 16, a missing field 1."""
    fields = reply_fields(asker.client_id, name("none"))
    assert broker.call(325, {**fields, "c": "no_default"}, b"yes").code == 17
    assert broker.call(325, reply_fields(asker.client_id, "SCHEDULE_TOPIC_XXXX"), b"yes").code == 16
    assert broker.call(325, {"b": REPLY_TOPIC}, b"yes").code == 1


def test_any_topic_takes_replies(broker, asker, name):
    """Goal: clients of other clusters name other reply topics."""
    topic = make_topic(broker, name("replies"))
    opaque = broker.send(325, reply_fields(asker.client_id, topic), b"yes")
    asker.answer(asker.receive_push(code=326))
    assert broker.receive(opaque).code == 0
    wait_until(lambda: max_offset(broker, topic) == 1)


def test_request_and_reply_go_round(broker, connect, asker, topic, group):
    """Goal: the whole way: a request is sent, pulled, answered, and its answer pushed to its sender."""
    asker.call(310, mq.send_fields(topic, 0, {"CORRELATION_ID": "c9", "TTL": "3000",
                                              "REPLY_TO_CLIENT": asker.client_id}), b"how much?")
    worker = connect()

    def work():
        request, = pull_all(worker, group, topic)
        assert request.properties["CLUSTER"] == CLUSTER
        fields = reply_fields(request.properties["REPLY_TO_CLIENT"],
                              request.properties["CLUSTER"] + "_REPLY_TOPIC",
                              CORRELATION_ID=request.properties["CORRELATION_ID"])
        assert worker.call(325, fields, b"42").code == 0

    thread = threading.Thread(target=work)
    thread.start()
    pushed = asker.receive_push(code=326)
    asker.answer(pushed)
    thread.join()
    assert pushed.body == b"42"
    assert mq.parse_properties(pushed.ext["properties"])["CORRELATION_ID"] == "c9"
