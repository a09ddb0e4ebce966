"""Sending: the codes, the answers, the refusals (wire-protocol, send family)."""

import pytest

import mini_client as mq
from conftest import differs, make_topic, max_offset, pull_all, send
from servers import wait_until

MAX_BODY = 4 * 1024 * 1024


@pytest.mark.parametrize("kind", [mq.JSON, mq.BINARY], ids=["json", "binary"])
@pytest.mark.parametrize("code", [10, 310])
def test_sent_message_comes_back(broker, topic, group, code, kind):
    """Goal: what was sent is delivered unchanged. Method: both codes in both encodings; every field."""
    properties = {"TAGS": "red", "KEYS": "k1 k2", "own": "wert ä"}
    answer = broker.call(code, mq.send_fields(topic, 2, properties, long_names=code == 10, flag=7),
                         b"body", kind=kind)
    assert answer.code == 0 and answer.remark == ""
    assert answer.ext["queueId"] == "2" and answer.ext["queueOffset"] == "0"
    assert answer.ext["MSG_REGION"] == "DefaultRegion" and answer.ext["TRACE_ON"] == "true"
    record, = pull_all(broker, group, topic, queue_id=2)
    assert (record.topic, record.queue_id, record.body, record.flag) == (topic, 2, b"body", 7)
    assert record.msg_id == answer.ext["msgId"]
    assert record.properties["UNIQ_KEY"] == answer.ext["transactionId"]
    assert properties.items() <= record.properties.items()
    assert record.properties["CLUSTER"] == "DefaultCluster"
    assert record.born_host == broker.local_address()


def test_uniq_key_of_the_client_is_kept(broker, topic, group):
    """Goal: a client's own message id stays. Method: it is the answer's transactionId too."""
    key = "7F0000010001" + "0" * 20
    answer = send(broker, topic, properties={"UNIQ_KEY": key})
    assert answer.ext["transactionId"] == key
    assert pull_all(broker, group, topic)[0].properties["UNIQ_KEY"] == key


def test_queue_offsets_count_up_by_queue(broker, topic):
    """Goal: each queue counts for itself."""
    for expected in range(3):
        for queue_id in range(4):
            assert send(broker, topic, queue_id=queue_id).ext["queueOffset"] == str(expected)


def test_negative_queue_id_lets_the_broker_choose(broker, topic):
    """Goal: queueId -1 is answered with a queue that exists."""
    for _ in range(8):
        assert 0 <= int(send(broker, topic, queue_id=-1).ext["queueId"]) < 4


def test_oneway_send_is_stored_and_not_answered(broker, topic, group):
    """Goal: a oneway send is stored. Method: the next answer on the connection is another's."""
    lost = broker.send(310, mq.send_fields(topic), b"oneway", flag=mq.ONEWAY)
    assert [r.body for r in pull_all(broker, group, topic)] == [b"oneway"]
    assert lost not in broker.answers


def test_pipelined_sends_keep_their_order(broker, topic, group, is_ramjet):
    """Goal: sends on one connection are stored as they came (5.3.3 hands them to a thread pool
    and keeps no order). Method: 200 sends in one write."""
    broker.send_raw(b"".join(mq.encode(mq.Frame(310, mq.send_fields(topic), b"%d" % i, 1000 + i))
                             for i in range(200)))
    offsets = [int(broker.receive(1000 + i).ext["queueOffset"]) for i in range(200)]
    assert sorted(offsets) == list(range(200))
    bodies = [int(r.body) for r in pull_all(broker, group, topic, count=200)]
    if is_ramjet:
        assert bodies == list(range(200)) and offsets == bodies
    else:
        assert sorted(bodies) == list(range(200))


@pytest.mark.parametrize("code", [310, 320])
def test_batch_is_stored_as_single_messages(broker, topic, group, code):
    """Goal: a batch becomes messages with consecutive offsets; the code does not matter, the flag
    m does. Method: three with tags; the answer joins their ids."""
    send(broker, topic)
    body = mq.encode_batch([(b"one", {"TAGS": "a"}), (b"two", {"TAGS": "b"}), (b"three", {})])
    answer = broker.call(code, mq.send_fields(topic, batch=True), body)
    assert answer.code == 0 and answer.ext["queueOffset"] == "1"
    ids = answer.ext["msgId"].split(",")
    records = pull_all(broker, group, topic, offset=1, count=3)
    assert [r.body for r in records] == [b"one", b"two", b"three"]
    assert [r.msg_id for r in records] == ids
    assert [r.queue_offset for r in records] == [1, 2, 3]
    assert [r.tag for r in records] == ["a", "b", None]
    assert "transactionId" not in answer.ext


def test_batch_with_outer_uniq_key(broker, topic, group):
    """Goal: the batch's own UNIQ_KEY is answered and goes to each message."""
    body = mq.encode_batch([(b"one", {"UNIQ_KEY": "A"}), (b"two", {"UNIQ_KEY": "B"})])
    answer = broker.call(320, mq.send_fields(topic, properties={"UNIQ_KEY": "AB"}, batch=True), body)
    assert answer.ext["transactionId"] == "AB"
    records = pull_all(broker, group, topic, count=2)
    assert [r.properties["UNIQ_KEY"] for r in records] == ["AB", "AB"]


@pytest.mark.parametrize("body", [b"x", b"\0\0\0\x10" + bytes(8)], ids=["a_byte", "half_an_item"])
def test_batch_that_does_not_parse_is_refused(broker, topic, body):
    """Goal: a broken batch stores nothing and is answered 1."""
    assert broker.call(320, mq.send_fields(topic, batch=True), body).code == 1
    assert max_offset(broker, topic) == 0


def test_batch_with_an_item_longer_than_the_batch(broker, topic, target):
    """Goal: the lengths of a batch agree with each other, or nothing is stored."""
    code = broker.call(320, mq.send_fields(topic, batch=True), b"\x7f\xff\xff\xff" + bytes(40)).code
    assert code == differs(target, 0, 1, "5.3.3 does not look at an item's own length")


def test_batch_with_delay_is_refused(broker, topic):
    """Goal: 13. Method: DELAY on the batch."""
    body = mq.encode_batch([(b"one", {})])
    fields = mq.send_fields(topic, properties={"DELAY": "1"}, batch=True)
    assert broker.call(320, fields, body).code == 13


def test_batch_to_a_retry_topic_is_refused(broker, group):
    """Goal: 13."""
    fields = mq.send_fields("%RETRY%" + group, batch=True)
    assert broker.call(320, fields, mq.encode_batch([(b"one", {})])).code == 13


def test_compressed_body_is_kept_as_it_is(broker, topic, group):
    """Goal: the broker never unpacks. Method: flags of all three types over bytes that are none."""
    for sys_flag in (0x1, 0x101, 0x201, 0x301):
        send(broker, topic, b"packed", sysFlag=sys_flag)
    assert [(r.sys_flag, r.body) for r in pull_all(broker, group, topic)] == \
        [(flag, b"packed") for flag in (0x1, 0x101, 0x201, 0x301)]


def test_unknown_topic_is_created_from_the_default_one(broker, name_server, name, group):
    """Goal: a first send makes the topic, with the queues its client wants, at most TBW102's, and
    the name server knows at once."""
    for wish, expected in ((4, 4), (100, 8)):
        topic = name("auto")
        answer = send(broker, topic, defaultTopicQueueNums=wish)
        assert answer.ext["queueOffset"] == "0"
        config = broker.call(351, {"topic": topic}).json()
        assert (config["readQueueNums"], config["writeQueueNums"]) == (expected, expected)
        assert config["perm"] == 6
        wait_until(lambda: name_server.call(105, {"topic": topic}).code == 0, what="the route")


def test_unknown_topic_without_a_valid_default_is_refused(broker, name):
    """Goal: 17, with the ext fields every refusal carries."""
    answer = broker.call(310, mq.send_fields(name(), defaultTopic="no_such_default"), b"x")
    assert answer.code == 17
    assert answer.ext["MSG_REGION"] == "DefaultRegion" and answer.ext["TRACE_ON"] == "true"


def test_queue_id_out_of_range_is_refused(broker, topic):
    """Goal: 29 for a queue the topic has not."""
    for queue_id in (4, 1000, 2**31 - 1):
        assert broker.call(310, mq.send_fields(topic, queue_id), b"x").code == 29


def test_empty_body_is_refused(broker, topic):
    """Goal: 1, as the reference's exception."""
    assert broker.call(310, mq.send_fields(topic), b"").code == 1


def test_body_of_the_limit_is_stored(broker, topic):
    """Goal: exactly maxMessageSize passes, one byte more is 13."""
    assert send(broker, topic, bytes(MAX_BODY)).code == 0
    assert broker.call(310, mq.send_fields(topic), bytes(MAX_BODY + 1)).code == 13
    assert send(broker, topic).code == 0


def test_properties_over_the_limit_are_refused(broker, topic):
    """Goal: more than 32767 bytes are 13."""
    assert send(broker, topic, properties={"p": "x" * 32000}).code == 0
    assert broker.call(310, mq.send_fields(topic, properties={"p": "x" * 33000}), b"x").code == 13


@pytest.mark.parametrize("bad", ["a b", "a.b", "a/b", "täglich", "x" * 128, "a\x01b"],
                         ids=["blank", "dot", "slash", "umlaut", "128_letters", "control"])
def test_illegal_topic_name_is_refused(broker, bad):
    """Goal: 29 with the reason."""
    answer = broker.call(310, mq.send_fields(bad), b"x")
    assert answer.code == 29 and answer.remark


def test_longest_topic_name_is_taken(broker, name, group):
    """Goal: 127 letters are allowed."""
    topic = (name() + "_" * 127)[:127]
    send(broker, topic)
    assert pull_all(broker, group, topic)[0].topic == topic


@pytest.mark.parametrize("topic", [
    "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
    "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT"])
def test_topic_closed_to_clients_is_refused(broker, topic):
    """Goal: 16 for topics only the broker writes."""
    assert broker.call(310, mq.send_fields(topic), b"x").code == 16


def test_benchmark_topic_takes_messages(broker):
    """Goal: other system topics are open."""
    assert send(broker, "BenchmarkTest", queue_id=1000).code == 0


def test_timer_topic_is_closed_to_clients(broker, target, is_ramjet):
    """Goal: no client message can stop the timer (one stops 5.3.3's for good: not tried there)."""
    if is_ramjet:
        assert broker.call(310, mq.send_fields("rmq_sys_wheel_timer"), b"x").code == 16
    assert differs(target, "stops its timer", "16", "one such record stops 5.3.3's timer and pop")


def test_topic_without_write_permission_still_takes_messages(broker, name):
    """Goal: a topic's own permission keeps clients away through the route only; what comes is stored."""
    topic = make_topic(broker, name(), perm=4)
    assert broker.call(310, mq.send_fields(topic), b"x").code == 0


def test_letters_code_with_long_names_is_refused(broker, topic):
    """Goal: the code decides the names: the topic is missing, so 1."""
    assert broker.call(310, mq.send_fields(topic, long_names=True), b"x").code == 1


def test_send_without_a_topic_is_refused(broker, topic):
    """Goal: 1."""
    fields = mq.send_fields(topic)
    del fields["b"]
    assert broker.call(310, fields, b"x").code == 1


def test_send_without_a_group_is_refused(broker, topic, target):
    """Goal: a mandatory field is mandatory."""
    fields = mq.send_fields(topic)
    del fields["a"]
    assert broker.call(310, fields, b"x").code == differs(
        target, 0, 1, "5.3.3 logs the missing field and goes on without it")


def test_reconsume_times_and_born_time_are_kept(broker, topic, group):
    """Goal: fields of the header end up in the record."""
    send(broker, topic, reconsumeTimes=3, bornTimestamp=1_700_000_000_123)
    record, = pull_all(broker, group, topic)
    assert record.reconsume_times == 3 and record.born_ms == 1_700_000_000_123


def test_send_to_a_retry_topic_over_the_limit_goes_to_the_dead_letters(broker, group):
    """Goal: a producer that retries by itself ends in %DLQ%. Method: reconsumeTimes at the maximum,
    which is still retried, and above it, which is not."""
    assert broker.call(200, body={"groupName": group}).code == 0
    for times, body in ((16, b"again"), (17, b"dead")):
        fields = mq.send_fields("%RETRY%" + group, reconsumeTimes=times, maxReconsumeTimes=16)
        assert broker.call(310, fields, body).code == 0
    assert [r.body for r in pull_all(broker, group, "%RETRY%" + group)] == [b"again"]
    assert [r.body for r in pull_all(broker, group, "%DLQ%" + group)] == [b"dead"]


def test_trace_switch_of_the_message_is_answered(broker, topic):
    """Goal: the answer's TRACE_ON is the broker's, whatever the message says."""
    assert send(broker, topic, properties={"TRACE_ON": "false"}).ext["TRACE_ON"] in ("true", "false")


def test_wait_property_is_kept(broker, topic, group):
    """Goal: WAIT=false does not vanish on the way (5.x keeps it)."""
    send(broker, topic, properties={"WAIT": "false"})
    assert pull_all(broker, group, topic)[0].body == b"hello"


def test_two_producers_interleave_without_loss(connect, broker, topic, group):
    """Goal: offsets are unique over connections. Method: two pipelines of 100 to one queue."""
    one, two = connect(), connect()
    opaques = [(c, c.send(310, mq.send_fields(topic), b"x")) for _ in range(100) for c in (one, two)]
    offsets = sorted(int(c.receive(o).ext["queueOffset"]) for c, o in opaques)
    assert offsets == list(range(200))
    assert len(pull_all(broker, group, topic, count=200)) == 200


@pytest.mark.parametrize("fields", [{"ns": "tenant", "nsd": "true"}, {"nsd": "nonsense"},
                                    {"bname": "broker-a", "oway": "false", "lo": "false"}],
                         ids=("namespace", "odd", "rpc"))
def test_fields_of_every_request_are_taken(broker, topic, group, fields):
    """Goal: namespace and routing fields, which clients of 5.x add to any request, change nothing: names come
    with their namespace already."""
    answer = broker.call(310, {**mq.send_fields(topic), **fields}, b"hello")
    assert answer.code == 0, answer.remark
    wait_until(lambda: max_offset(broker, topic) == 1)
    answer = broker.call(11, {**mq.pull_fields(group, topic), **fields})
    assert answer.code == 0 and mq.decode_records(answer.body)[0].topic == topic
