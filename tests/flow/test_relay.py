"""What only a client knows: asked by tools, of the broker, of the client."""

import pytest

import mini_client as mq
from conftest import heartbeat, send
from servers import wait_until


@pytest.fixture
def member(broker, connect, group, topic):
    """A consumer online, as client c1."""
    connection = connect()
    heartbeat(connection, "c1", {group: [mq.subscription(topic)]})
    return connection


def test_running_info_is_the_clients(broker, member, group):
    """Goal: 307 goes to the client with the fields it came with, and what that answers comes back
    as it is."""
    asked = broker.send(307, {"consumerGroup": group, "clientId": "c1", "jstackEnable": True})
    told = member.receive_push(code=307)
    assert (told.ext["consumerGroup"], told.ext["clientId"]) == (group, "c1")
    assert told.ext["jstackEnable"] == "true"
    member.answer(told, body=b'{"properties":{}}')
    answer = broker.receive(asked)
    assert (answer.code, answer.body, answer.language) == (0, b'{"properties":{}}', "OTHER")


def test_refusal_of_a_client_comes_back(broker, member, group):
    """Goal: the client's code is the answer's."""
    asked = broker.send(307, {"consumerGroup": group, "clientId": "c1"})
    member.answer(member.receive_push(code=307), code=1)
    assert broker.receive(asked).code == 1


@pytest.mark.parametrize("code", [307, 309])
def test_client_that_is_not_there(broker, topic, member, group, code):
    """Goal: 1, and the remark names group and client."""
    msg_id = send(broker, topic).ext["msgId"]
    answer = broker.call(code, {"consumerGroup": group, "clientId": "nobody", "msgId": msg_id})
    assert (answer.code, answer.remark) == (1, "The Consumer <%s> <nobody> not online" % group)


def test_client_that_is_too_old(broker, connect, group, topic):
    """Goal: 1 for a client of before 3.1.8."""
    heartbeat(connect(version=61), "c1", {group: [mq.subscription(topic)]})
    assert broker.call(307, {"consumerGroup": group, "clientId": "c1"}).code == 1


def test_message_is_consumed_directly(broker, member, group, topic):
    """Goal: 309 sends the client the message, and what it needs to know of topic and group."""
    msg_id = send(broker, topic, b"at once").ext["msgId"]
    asked = broker.send(309, {"consumerGroup": group, "clientId": "c1", "msgId": msg_id,
                              "topic": topic})
    told = member.receive_push(code=309)
    assert [record.body for record in mq.decode_records(told.body)] == [b"at once"]
    assert told.ext["brokerName"] == "broker-a"
    assert (told.ext["topicSysFlag"], told.ext["groupSysFlag"]) == ("0", "0")
    assert told.ext["msgId"] == msg_id
    member.answer(told, body=b'{"consumeResult":"CR_SUCCESS"}')
    assert broker.receive(asked).json() == {"consumeResult": "CR_SUCCESS"}


@pytest.mark.parametrize("msg_id", [None, "", "zz", "7F00000100002A9F0000000FF0000000"],
                         ids=["absent", "empty", "no id", "no message"])
def test_no_message_to_consume(broker, member, group, topic, msg_id):
    """Goal: 1."""
    assert broker.call(309, {"consumerGroup": group, "clientId": "c1", "msgId": msg_id,
                             "topic": topic}).code == 1


def test_consumer_status_is_gathered(broker, connect, member, group, topic):
    """Goal: 223 asks every client of the group where it is, and puts the answers together."""
    other = connect()
    heartbeat(other, "c2", {group: [mq.subscription(topic)]})
    asked = broker.send(223, {"topic": topic, "group": group})
    queue = '{"brokerName":"broker-a","queueId":%d,"topic":"%s"}'
    waiting = {0: member, 1: other}

    def one_is_asked():
        for number, connection in list(waiting.items()):
            try:
                told = connection.receive_push(0.05, code=221)
            except TimeoutError:
                continue
            assert (told.ext["topic"], told.ext["group"]) == (topic, group)
            body = '{"messageQueueTable":{%s:%d}}' % (queue % (number, topic), 7)
            connection.answer(told, body=body.encode())
            del waiting[number]
        return not waiting
    wait_until(one_is_asked, what="every client to be asked")
    table = broker.receive(asked).json()["consumerTable"]
    assert table == {"c1": {mq.queue_key("broker-a", topic, 0): 7},
                     "c2": {mq.queue_key("broker-a", topic, 1): 7}}


def test_consumer_status_of_one_client(broker, connect, member, group, topic):
    """Goal: clientAddr names the one client to ask; one that refuses is left out."""
    heartbeat(connect(), "c2", {group: [mq.subscription(topic)]})
    asked = broker.send(223, {"topic": topic, "group": group, "clientAddr": "c1"})
    member.answer(member.receive_push(code=221), code=1)
    assert broker.receive(asked).json() == {"consumerTable": {}, "messageQueueTable": {}}
    assert broker.call(223, {"topic": topic, "group": group, "clientAddr": "nobody"}).json() == \
        {"consumerTable": {}, "messageQueueTable": {}}


def test_consumer_status_of_nobody(broker, group, topic):
    """Goal: 1 when no client of the group is online."""
    assert broker.call(223, {"topic": topic, "group": group}).code == 1
