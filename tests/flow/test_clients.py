"""Heartbeats, who is in a group, who is told of changes, queue locks."""

import pytest

import mini_client as mq
from conftest import heartbeat
from servers import wait_until

NOTIFY = 40


def members(connection, group):
    answer = connection.call(38, {"consumerGroup": group})
    return sorted(answer.json()["consumerIdList"]) if answer.code == 0 else None


def lock(connection, client, group, queues, code=41):
    body = {"clientId": client, "consumerGroup": group, "onlyThisBroker": True,
            "mqSet": [{"brokerName": "broker-a", "topic": t, "queueId": q} for t, q in queues]}
    return connection.call(code, body=body)


def locked(connection, client, group, queues):
    answer = lock(connection, client, group, queues)
    assert answer.code == 0
    return sorted((q["topic"], q["queueId"]) for q in answer.json()["lockOKMQSet"])


def test_heartbeat_is_answered_with_its_features(broker, topic, group):
    """Goal: clients of 5.x learn that the broker knows fingerprints."""
    answer = heartbeat(broker, "c@1", {group: [mq.subscription(topic)]}, ["p"])
    assert answer.ext == {"IS_SUPPORT_HEART_BEAT_V2": "true", "IS_SUB_CHANGE": "true"}


def test_heartbeat_makes_the_retry_topic(broker, topic, group):
    """Goal: a consumer finds its retry topic from the start."""
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    config = broker.call(351, {"topic": "%RETRY%" + group}).json()
    assert config["readQueueNums"] == 1 and config["perm"] == 6


def test_members_of_a_group_are_listed(broker, connect, topic, group):
    """Goal: 38 lists the client ids with which clients balance; 1 for a group without any."""
    assert members(broker, group) is None
    answer = broker.call(38, {"consumerGroup": group})
    assert answer.code == 1 and "no consumer for this group" in answer.remark
    other = connect()
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    heartbeat(other, "c@2", {group: [mq.subscription(topic)]})
    assert members(broker, group) == ["c@1", "c@2"]


def test_everyone_is_told_when_a_member_joins(broker, connect, topic, group):
    """Goal: 40, oneway, to every member, the new one too."""
    other = connect()
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    assert broker.receive_push(code=NOTIFY).ext == {"consumerGroup": group}
    heartbeat(other, "c@2", {group: [mq.subscription(topic)]})
    for connection in (broker, other):
        push = connection.receive_push(code=NOTIFY)
        assert push.ext == {"consumerGroup": group} and push.flag == mq.ONEWAY and push.body == b""


def test_repeated_heartbeat_tells_nobody(broker, topic, group):
    """Goal: no rebalance without a change."""
    subs = {group: [mq.subscription(topic, "*", 1)]}
    heartbeat(broker, "c@1", subs)
    broker.receive_push(code=NOTIFY)
    heartbeat(broker, "c@1", subs)
    heartbeat(broker, "c@1", {group: [mq.subscription(topic, "*", 2)]})
    with pytest.raises(TimeoutError):
        broker.receive_push(timeout=0.3, code=NOTIFY)


def test_added_topic_is_told(broker, topic, group):
    """Goal: a topic added to a group's subscriptions makes its members rebalance."""
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    broker.receive_push(code=NOTIFY)
    heartbeat(broker, "c@1", {group: [mq.subscription(topic), mq.subscription("TBW102")]})
    assert broker.receive_push(code=NOTIFY).ext == {"consumerGroup": group}


def test_unregistered_member_is_gone_and_told(broker, connect, topic, group):
    """Goal: 35 removes at once and the others rebalance."""
    other = connect()
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    heartbeat(other, "c@2", {group: [mq.subscription(topic)]})
    for _ in range(2):
        broker.receive_push(code=NOTIFY)
    assert other.call(35, {"clientID": "c@2", "consumerGroup": group}).code == 0
    assert broker.receive_push(code=NOTIFY).ext == {"consumerGroup": group}
    assert members(broker, group) == ["c@1"]


def test_closed_connection_leaves_its_groups(broker, connect, topic, group):
    """Goal: a consumer that died is out of its group at once, and the others are told."""
    other = connect()
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    heartbeat(other, "c@2", {group: [mq.subscription(topic)]})
    for _ in range(2):
        broker.receive_push(code=NOTIFY)
    other.close()
    broker.receive_push(code=NOTIFY)
    assert members(broker, group) == ["c@1"]


def test_broadcasting_members_are_not_told(broker, connect, topic, group):
    """Goal: nothing to balance, nothing to tell."""
    other = connect()
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]}, model="BROADCASTING")
    heartbeat(other, "c@2", {group: [mq.subscription(topic)]}, model="BROADCASTING")
    with pytest.raises(TimeoutError):
        broker.receive_push(timeout=0.3, code=NOTIFY)
    assert members(broker, group) == ["c@1", "c@2"]


def test_group_that_wants_no_notice_gets_none(broker, topic, group):
    """Goal: the group's notifyConsumerIdsChangedEnable is kept."""
    body = {"groupName": group, "notifyConsumerIdsChangedEnable": False}
    assert broker.call(200, body=body).code == 0
    heartbeat(broker, "c@1", {group: [mq.subscription(topic)]})
    with pytest.raises(TimeoutError):
        broker.receive_push(timeout=0.3, code=NOTIFY)


def test_heartbeat_with_fingerprint(broker, topic, group):
    """Goal: the short form of 5.x keeps what the full one said, and another fingerprint asks for
    the full one."""
    body = mq.heartbeat_body("c@1", (), {group: [mq.subscription(topic, "*", 1)]})
    body["heartbeatFingerprint"] = 4711
    assert broker.call(34, body=body).ext["IS_SUB_CHANGE"] == "false"
    short = {**body, "withoutSub": True}
    short["consumerDataSet"] = [{**g, "subscriptionDataSet": []} for g in body["consumerDataSet"]]
    assert broker.call(34, body=short).ext["IS_SUB_CHANGE"] == "false"
    assert broker.call(203, {"consumerGroup": group}).json()["subscriptionTable"].keys() == {topic}
    assert broker.call(34, body={**short, "heartbeatFingerprint": 4712}).ext["IS_SUB_CHANGE"] == "true"


@pytest.mark.parametrize("body,code", [
    (b"", 1), (b"nonsense", 1), (b"{}", 0),
    (b'{"clientID":"c@9","later":{"x":1},"producerDataSet":[{"groupName":"p","y":2}]}', 0),
    (b'{"clientID":"c@9","consumerDataSet":[{"groupName":"flow_odd","consumeType":"CONSUME_LATER",'
     b'"messageModel":"CLUSTERING","subscriptionDataSet":[]}]}', 0)],
    ids=["absent", "no_json", "empty_object", "unknown_keys", "unknown_enum"])
def test_odd_heartbeats(broker, body, code):
    """Goal: lenient to what is new, 1 to what is none."""
    assert broker.call(34, body=body).code == code


def test_producers_are_listed(broker, name):
    """Goal: 204 shows a producer group's clients; 1 when there is none."""
    group = name("producers")
    assert broker.call(204, {"producerGroup": group, "topic": "TBW102"}).code == 1
    heartbeat(broker, "p@1", producers=[group])
    found, = broker.call(204, {"producerGroup": group, "topic": "TBW102"}).json()["connectionSet"]
    assert found["clientId"] == "p@1" and found["clientAddr"] == broker.local_address()
    assert found["version"] == 479 and found["language"] == "OTHER"


def test_consumers_are_listed_with_their_subscriptions(broker, topic, group):
    """Goal: 203 shows clients, mode and subscriptions; 206 when nobody is there."""
    assert broker.call(203, {"consumerGroup": group}).code == 206
    heartbeat(broker, "c@1", {group: [mq.subscription(topic, "a || b", 7)]})
    shown = broker.call(203, {"consumerGroup": group}).json()
    assert [c["clientId"] for c in shown["connectionSet"]] == ["c@1"]
    assert shown["messageModel"] == "CLUSTERING" and shown["consumeType"] == "CONSUME_PASSIVELY"
    assert shown["consumeFromWhere"] == "CONSUME_FROM_LAST_OFFSET"
    assert shown["subscriptionTable"][topic]["subString"] == "a || b"
    assert shown["subscriptionTable"][topic]["subVersion"] == 7


def test_lock_is_exclusive(broker, topic, group):
    """Goal: a queue belongs to one client of a group. Method: a second one gets what is left."""
    assert locked(broker, "c@1", group, [(topic, 0), (topic, 1)]) == [(topic, 0), (topic, 1)]
    assert locked(broker, "c@2", group, [(topic, 1), (topic, 2)]) == [(topic, 2)]
    assert locked(broker, "c@2", group, [(topic, 0)]) == []


def test_lock_is_renewed_by_its_owner(broker, topic, group):
    """Goal: locking again is answered with the queue."""
    for _ in range(2):
        assert locked(broker, "c@1", group, [(topic, 0)]) == [(topic, 0)]


def test_unlocked_queue_is_free(broker, topic, group):
    """Goal: 42 frees the owner's locks, and only the owner's."""
    locked(broker, "c@1", group, [(topic, 0)])
    assert lock(broker, "c@2", group, [(topic, 0)], code=42).code == 0
    assert locked(broker, "c@2", group, [(topic, 0)]) == []
    assert lock(broker, "c@1", group, [(topic, 0)], code=42).code == 0
    assert locked(broker, "c@2", group, [(topic, 0)]) == [(topic, 0)]


def test_groups_lock_apart(broker, topic, name):
    """Goal: another group's lock is no obstacle."""
    assert locked(broker, "c@1", name("g"), [(topic, 0)]) == [(topic, 0)]
    assert locked(broker, "c@2", name("g"), [(topic, 0)]) == [(topic, 0)]


def test_queue_that_does_not_exist_can_be_locked(broker, name, group):
    """Goal: locks ask for no topic."""
    assert locked(broker, "c@1", group, [("nowhere", 99)]) == [("nowhere", 99)]


def test_oneway_unlock_is_done(broker, topic, group):
    """Goal: clients unlock oneway."""
    locked(broker, "c@1", group, [(topic, 0)])
    body = {"clientId": "c@1", "consumerGroup": group, "onlyThisBroker": True,
            "mqSet": [{"brokerName": "broker-a", "topic": topic, "queueId": 0}]}
    broker.oneway(42, body=body)
    wait_until(lambda: locked(broker, "c@2", group, [(topic, 0)]), what="the lock")
