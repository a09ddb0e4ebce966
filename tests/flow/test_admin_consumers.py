"""Who consumes what and how far they are, as tools ask for it."""

import pytest

import mini_client as mq
from conftest import commit, differs, heartbeat, make_topic, max_offset, pull, send
from servers import wait_until


def committed(connection, group, topic, queue_id=0):
    answer = connection.call(14, {"consumerGroup": group, "topic": topic, "queueId": queue_id,
                                  "setZeroIfNotFound": False})
    return int(answer.ext["offset"]) if answer.code == 0 else None


@pytest.fixture
def consumer(broker, group, topic):
    """The group exists, and has committed 2 of the 5 messages of queue 0."""
    assert broker.call(200, body={"groupName": group}).code == 0
    for number in range(5):
        send(broker, topic, b"m%d" % number, properties={"TAGS": "a"})
    assert commit(broker, group, topic, 2).code == 0
    return group


def test_consumers_of_a_topic(broker, connect, consumer, topic, name, target):
    """Goal: 300 lists groups that have offsets in the topic, and those online that subscribe."""
    online, member = name("group"), connect()
    heartbeat(member, "c1", {online: [mq.subscription(topic)]})
    online = differs(target, topic, online, "5.3.3 lists the topic where the group is meant")
    assert sorted(broker.call(300, {"topic": topic}).json()["groupList"]) == \
        sorted([consumer, online])
    assert broker.call(300, {"topic": "no_such_topic_at_all"}).json() == {"groupList": []}


def test_topics_of_a_consumer(broker, pair, consumer, topic):
    """Goal: 343 lists what the group has offsets in, and the broker's address."""
    assert broker.call(343, {"group": consumer}).json() == {
        "brokerAddr": pair.broker.address, "topicList": [topic]}
    assert broker.call(343, {"group": "no_such_group"}).json()["topicList"] == []


def test_subscription_of_a_consumer(broker, connect, consumer, topic):
    """Goal: 345 gives what the group's members subscribe to, nothing when none is online."""
    asked = {"group": consumer, "topic": topic}
    assert broker.call(345, asked).json() == asked
    member, sub = connect(), mq.subscription(topic, "a || b")
    heartbeat(member, "c1", {consumer: [sub]})
    found = broker.call(345, asked).json()
    assert found["subscriptionData"]["subString"] == "a || b"
    assert sorted(found["subscriptionData"]["tagsSet"]) == ["a", "b"]


def test_time_span_of_a_group(broker, consumer, topic):
    """Goal: 303 gives for each queue the times of the first, last and last consumed message."""
    spans = broker.call(303, {"topic": topic, "group": consumer}).json()["consumeTimeSpanSet"]
    by_queue = {span["messageQueue"]["queueId"]: span for span in spans}
    assert sorted(by_queue) == [0, 1, 2, 3]
    full, empty = by_queue[0], by_queue[1]
    assert full["minTimeStamp"] <= full["consumeTimeStamp"] <= full["maxTimeStamp"]
    assert 0 <= full["delayTime"] < 600_000
    assert full["minTimeStampStr"][10] == "#" and len(full["minTimeStampStr"]) == 23
    assert (empty["minTimeStamp"], empty["maxTimeStamp"], empty["consumeTimeStamp"]) == (-1, -1, -1)


def test_time_span_in_an_unknown_topic(broker, group):
    """Goal: 17."""
    assert broker.call(303, {"topic": "no_such_topic_at_all", "group": group}).code == 17


def test_progress_of_all_groups(broker, pair, consumer, topic, target):
    """Goal: 317 gives each group's topics with their offsets, and the sum of what is behind."""
    answer = broker.call(317, {"isOrder": False}).json()
    assert answer["brokerAddr"] == pair.broker.address
    stats = [group[consumer] for group in answer["consumeStatsList"] if consumer in group]
    assert len(stats) == 1 and len(stats[0]) == 1
    entry = stats[0][0]["offsetTable"][mq.queue_key("broker-a", topic, 0)]
    assert (entry["brokerOffset"], entry["consumerOffset"]) == (5, 2)
    assert entry["lastTimestamp"] > 0
    assert entry["pullOffset"] == differs(target, 0, 2, "pulled cannot be less than consumed")
    assert answer["totalDiff"] >= 3


def test_progress_of_ordered_topics_only(broker, consumer):
    """Goal: isOrder leaves out what is not consumed in order."""
    answer = broker.call(317, {"isOrder": True}).json()
    assert [group[consumer] for group in answer["consumeStatsList"] if consumer in group] == [[]]


def test_what_was_pulled_is_in_flight(broker, consumer, topic):
    """Goal: 208 shows how far the group has pulled beside what it committed."""
    assert pull(broker, consumer, topic, 2, count=2).code == 0
    table = broker.call(208, {"consumerGroup": consumer, "topic": topic}).json()["offsetTable"]
    entry = table[mq.queue_key("broker-a", topic, 0)]
    assert (entry["consumerOffset"], entry["pullOffset"], entry["brokerOffset"]) == (2, 4, 5)


def test_progress_in_named_topics(broker, connect, consumer, topic, name):
    """Goal: the topics of topicList are given whatever the group subscribes to and has read."""
    member, other, third = connect(), make_topic(broker, name()), make_topic(broker, name())
    heartbeat(member, "c1", {consumer: [mq.subscription(other)]})
    table = broker.call(208, {"consumerGroup": consumer,
                              "topicList": topic + ";" + third}).json()["offsetTable"]
    assert len(table) == 8
    assert mq.queue_key("broker-a", third, 3) in table


def test_offsets_are_cloned(broker, consumer, topic, name):
    """Goal: 314 gives a group the offsets of another one; an unknown source or topic changes
    nothing."""
    clone = name("group")
    broker.call(200, body={"groupName": clone})
    assert broker.call(314, {"srcGroup": consumer, "destGroup": clone, "topic": topic,
                             "offline": False}).code == 0
    assert committed(broker, clone, topic) == 2
    assert broker.call(314, {"srcGroup": "no_such_group", "destGroup": clone,
                             "topic": topic}).code == 0
    assert committed(broker, clone, topic) == 2
    assert broker.call(314, {"srcGroup": consumer, "destGroup": clone,
                             "topic": "no_such_topic_at_all"}).code == 0


def test_clone_of_all_topics(broker, consumer, topic, name, target):
    """Goal: 314 without a topic clones every topic of the source."""
    clone = name("group")
    broker.call(200, body={"groupName": clone})
    assert broker.call(314, {"srcGroup": consumer, "destGroup": clone, "offline": True}).code == 0
    assert committed(broker, clone, topic) == \
        differs(target, None, 2, "5.3.3 looks the offsets up under the topic null")


def test_correction_offsets(broker, consumer, topic, name):
    """Goal: 308 gives the least offset of all groups, or the largest number where the group compared
    with is behind it."""
    other = name("group")
    broker.call(200, body={"groupName": other})
    assert commit(broker, other, topic, 4).code == 0
    asked = {"topic": topic, "compareGroup": consumer}
    assert broker.call(308, asked).json() == {"correctionOffsets": {0: 2}}
    assert broker.call(308, {**asked, "compareGroup": other}).json() == {"correctionOffsets": {0: 2}}
    assert broker.call(308, {"topic": "no_such_topic_at_all", "compareGroup": consumer}).json() == \
        {"correctionOffsets": {}}


def test_producers_are_listed_by_group(broker, connect, name):
    """Goal: 328 gives every producer group with its members."""
    producer, member = name("producer"), connect(language="GO", version=317)
    heartbeat(member, "p1", producers=[producer])
    entry = broker.call(328).json()["data"][producer]
    assert len(entry) == 1
    assert entry[0]["clientId"] == "p1" and entry[0]["language"] == "GO"
    assert entry[0]["version"] == 317 and entry[0]["lastUpdateTimestamp"] > 0
    assert entry[0]["remoteIP"] == "/" + member.local_address()


def test_consume_queue_is_shown(broker, connect, consumer, topic):
    """Goal: 321 gives entries of a queue, and the group's subscription when one is asked about."""
    asked = {"topic": topic, "queueId": 0, "index": 1, "count": 2}
    found = broker.call(321, asked).json()
    assert (found["minQueueIndex"], found["maxQueueIndex"]) == (0, 5)
    assert [entry["tagsCode"] for entry in found["queueData"]] == [mq.tag_hash("a")] * 2
    assert found["queueData"][1]["physicOffset"] == \
        found["queueData"][0]["physicOffset"] + found["queueData"][0]["physicSize"]
    assert "filterData" not in found
    asked["consumerGroup"] = consumer
    assert broker.call(321, asked).json()["filterData"] == "%s@%s is not online!" % (consumer, topic)
    heartbeat(connect(), "c1", {consumer: [mq.subscription(topic, "a")]})
    found = broker.call(321, asked).json()
    assert (found["filterData"], found["subscriptionData"]["subString"]) == ("null", "a")


@pytest.mark.parametrize("index, count, remark", [(5, 1, "Index 5 of"), (-1, 1, "Index -1 of")],
                         ids=["behind", "before"])
def test_no_such_place_in_a_consume_queue(broker, consumer, topic, index, count, remark):
    """Goal: success without a body, and a remark that says so."""
    answer = broker.call(321, {"topic": topic, "queueId": 0, "index": index, "count": count})
    assert (answer.code, answer.body) == (0, b"")
    assert answer.remark.startswith(remark)


def test_no_such_consume_queue(broker, consumer, topic):
    """Goal: 1, for an unknown topic and for a queue that never had a message."""
    assert broker.call(321, {"topic": topic, "queueId": 1, "index": 0, "count": 1}).code == 1
    answer = broker.call(321, {"topic": "no_such_topic_at_all", "queueId": 0, "index": 0, "count": 1})
    assert (answer.code, answer.remark) == (1, "0@no_such_topic_at_all is not exist!")


def test_group_is_forbidden_a_topic(broker, connect, consumer, topic):
    """Goal: 353 takes the right to pull a topic from a group, as its members subscribe to it, and
    gives it back; without `readable` it only tells."""
    member, asked = connect(), {"group": consumer, "topic": topic}
    heartbeat(member, "c1", {consumer: [mq.subscription(topic, "*", 1)]})
    assert broker.call(353, asked).json() == {**asked, "readable": True}
    assert broker.call(353, {**asked, "readable": False}).json() == {**asked, "readable": False}
    assert broker.call(353, asked).json()["readable"] is False
    assert broker.call(201).json()["forbiddenTable"][consumer] == {topic: 4}
    answer = pull(member, consumer, topic, subscription=None, sub_version=1)
    assert (answer.code, answer.ext["forbiddenType"]) == (16, "5")
    broker.call(353, {**asked, "readable": True})
    assert pull(member, consumer, topic, subscription=None, sub_version=1).code == 0


def test_what_is_forbidden_goes_with_its_group(broker, consumer, topic):
    """Goal: after 207 nothing is forbidden."""
    asked = {"group": consumer, "topic": topic}
    broker.call(353, {**asked, "readable": False})
    assert broker.call(207, {"groupName": consumer, "cleanOffset": False}).code == 0
    assert broker.call(353, asked).json()["readable"] is True


def test_right_to_another_topic_stays_taken(broker, consumer, topic, name, target):
    """Goal: giving one topic back leaves what else the group is forbidden."""
    other = make_topic(broker, name())
    for each in (topic, other):
        broker.call(353, {"group": consumer, "topic": each, "readable": False})
    broker.call(353, {"group": consumer, "topic": topic, "readable": True})
    assert broker.call(353, {"group": consumer, "topic": other}).json()["readable"] is \
        differs(target, True, False, "5.3.3 forgets the whole group")


def test_list_of_groups_is_created(broker, name):
    """Goal: 225 makes several groups at once."""
    groups = [name("group"), name("group")]
    body = {"groupConfigList": [{"groupName": groups[0]},
                                {"groupName": groups[1], "retryMaxTimes": 3}]}
    assert broker.call(225, body=body).code == 0
    table = broker.call(201).json()["subscriptionGroupTable"]
    assert table[groups[0]]["retryMaxTimes"] == 16
    assert table[groups[1]]["retryMaxTimes"] == 3


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"groupConfigList":[{"retryMaxTimes":1}]}'],
                         ids=["empty", "array", "no list", "no name"])
def test_list_that_has_no_groups_is_refused(broker, body):
    """Goal: 1."""
    assert broker.call(225, body=body).code == 1


def test_offsets_and_delays_for_slaves(broker, consumer, topic):
    """Goal: 43 and 45 give the tables a slave copies."""
    table = broker.call(43).json()
    assert table["offsetTable"]["%s@%s" % (topic, consumer)] == {0: 2}
    assert set(table["dataVersion"]) == {"counter", "stateVersion", "timestamp"}
    send(broker, topic, properties={"DELAY": "1"})
    wait_until(lambda: max_offset(broker, topic) == 6, what="the delayed message")
    wait_until(lambda: broker.call(45).json()["offsetTable"].get(1, 0) > 0, what="level 1")


def test_system_topics_are_listed(broker):
    """Goal: 305 names what is kept for the system, and this broker's own."""
    listed = broker.call(305).json()["topicList"]
    assert len(listed) == len(set(listed))
    assert {"TBW102", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRACE_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC",
            "CHECKPOINT_TOPIC", "DefaultCluster", "broker-a", "DefaultCluster_REPLY_TOPIC",
            "rmq_sys_wheel_timer", "rmq_sys_REVIVE_LOG_DefaultCluster"} <= set(listed)


@pytest.mark.parametrize("code", [306, 316, 329], ids=["queues", "topics", "log"])
def test_cleaning_harms_nothing_in_use(broker, consumer, topic, code):
    """Goal: the three calls to clean up are answered 0, and every message is still there."""
    assert broker.call(code).code == 0
    assert max_offset(broker, topic) == 5
    assert len(mq.decode_records(pull(broker, consumer, topic).body)) == 5


def test_master_without_slaves(broker, pair):
    """Goal: what slaves, name servers and their tools ask is answered by a master on its own."""
    status = broker.call(907).json()
    assert (status["master"], status["inSyncSlaveNums"], status["haConnectionInfo"]) == (True, 0, [])
    assert status["masterCommitLogMaxOffset"] >= 0
    assert broker.call(908, {"masterFlushOffset": 5}).code == 0
    answer = broker.call(906)
    assert answer.ext["masterAddress"] == pair.broker.address
    assert answer.ext["masterHaAddress"] == "127.0.0.1:%d" % (pair.broker.port + 1)
    assert int(answer.ext["masterFlushOffset"]) >= 0
    answer = broker.call(906, {"masterHaAddress": "127.0.0.1:1", "masterAddress": "127.0.0.1:2"})
    assert (answer.code, answer.ext) == (0, {})
    assert broker.call(905, {"minBrokerId": 0}).code == 0
    assert broker.call(905).code == 1
    assert broker.call(1007).code == 1
    assert broker.call(200056).code == 0


# ---- reads from the disk -------------------------------------------------------------------------


def cold_reads(broker):
    answer = broker.call(2003)
    assert answer.code == 0
    return answer.json()


def test_thresholds_of_groups_are_kept(broker, group):
    """Goal: 2001 sets what single groups may read from the disk, 2003 shows it with the thresholds of all, 2002 takes
    one back, also one that is not there."""
    assert broker.call(2001, body=b"%s=1000\n%s_2=2000\n" % (group.encode(), group.encode())).code == 0
    info = cold_reads(broker)
    assert info["configTable"][group] == 1000 and info["configTable"][group + "_2"] == 2000
    assert (info["cgColdReadThreshold"], info["globalColdReadThreshold"]) == (3145728, 104857600)
    assert group not in info["runtimeTable"] and info["globalAcc"] == 0
    for name in (group, group, group + "_2"):
        assert broker.call(2002, body=name.encode()).code == 0
    assert group not in cold_reads(broker)["configTable"]


@pytest.mark.parametrize("mode, code", [(1, 0), (0, 0), (7, 29), ("x", 1), (None, 1)])
def test_reading_ahead_is_switched(broker, mode, code):
    """Goal: 2004 takes the two modes there are, and says what it took."""
    answer = broker.call(2004, {} if mode is None else {"READ_AHEAD_MODE": mode})
    assert answer.code == code and answer.remark.startswith("set commitlog readahead mode ")
    assert code != 0 or answer.remark.endswith("mode: %d" % mode)


def test_threshold_that_is_no_number_is_refused(broker, group, target):
    """Goal: a threshold that is no number of bytes refuses all of them, by name. The reference leaves it out, and says
    nothing."""
    for value in (b"x", b"", b"99999999999999999999") + ((b"-5",) if target == "ramjet" else ()):
        answer = broker.call(2001, body=b"%s=1000\n%s_2=%s\n" % (group.encode(), group.encode(), value))
        assert answer.code == differs(target, 0, 29, "a typing error must not pass for a threshold"), value
        if target == "ramjet":
            assert group + "_2" in answer.remark and group not in cold_reads(broker)["configTable"]
    assert broker.call(2001, body=b"").code == 0 and broker.call(2002, body=b"").code == 0
