"""The name server: registration, routes, lists, write permission, key-value table, settings."""

import json
import socket
import struct
import zlib

import pytest

import mini_client as mq
from conftest import differs
from servers import wait_until

ADDRESSES = iter("127.9.%d.%d:10911" % (i // 250, i % 250 + 1) for i in range(10000))


def topic_config(topic, queues=4, perm=6, order=False):
    return {"topicName": topic, "readQueueNums": queues, "writeQueueNums": queues, "perm": perm,
            "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": order}


class FakeBroker:
    """A broker as a name server sees it: it registers, and it is gone when its connection is."""

    def __init__(self, connection, name, cluster, topics, broker_id=0, address=None):
        self.connection, self.name, self.cluster, self.topics = connection, name, cluster, topics
        self.broker_id, self.address = broker_id, address or next(ADDRESSES)
        self.version = {"counter": 1, "stateVersion": 0, "timestamp": mq.now_ms()}

    def header(self, **more):
        return {"brokerName": self.name, "brokerAddr": self.address, "clusterName": self.cluster,
                "haServerAddr": "127.9.9.9:10912", "brokerId": self.broker_id, **more}

    def body(self):
        return {"filterServerList": [], "topicConfigSerializeWrapper": {
            "dataVersion": self.version,
            "topicConfigTable": {t: topic_config(t) for t in self.topics}}}

    def register(self, body=None, **more):
        return self.connection.call(103, self.header(**more), self.body() if body is None else body)

    def unregister(self):
        return self.connection.call(104, self.header())


@pytest.fixture
def fake(pair, name):
    """Makes fake brokers with two fresh topics each, on connections of their own."""
    opened = []

    def make(broker=None, cluster=None, topics=None, **how):
        opened.append(pair.name_server.connect())
        return FakeBroker(opened[-1], broker or name("broker"), cluster or name("cluster"),
                          topics or [name("topic"), name("topic")], **how)

    yield make
    for connection in opened:
        connection.close()


def route(name_server, topic, **how):
    answer = name_server.call(105, {"topic": topic}, **how)
    return answer.json() if answer.code == 0 else None


def json_bytes(value):
    return json.dumps(value, separators=(",", ":")).encode()


def sized(data):
    return struct.pack(">i", len(data)) + data


def compressed_body(fake, with_mapping=True):
    out = sized(json_bytes(fake.version)) + struct.pack(">i", len(fake.topics))
    for topic in fake.topics:
        out += sized(("%s 4 4 6 SINGLE_TAG {}" % topic).encode())
    out += sized(b"[]")
    if with_mapping:
        out += struct.pack(">i", 0)
    return zlib.compress(out)


def test_registered_topics_are_routed(fake, name_server):
    """Goal: what a broker registers, clients find. Method: register, ask for each topic's route."""
    broker = fake()
    answer = broker.register()
    assert answer.code == 0
    for topic in broker.topics:
        assert route(name_server, topic) == {
            "brokerDatas": [{"brokerAddrs": {"0": broker.address}, "brokerName": broker.name,
                             "cluster": broker.cluster, "enableActingMaster": False}],
            "filterServerTable": {},
            "queueDatas": [{"brokerName": broker.name, "perm": 6, "readQueueNums": 4,
                            "topicSysFlag": 0, "writeQueueNums": 4}]}


def test_compressed_registration_is_routed(fake, name_server):
    """Goal: brokers with compressedRegister are understood, with and without mapping section."""
    new, old = fake(), fake()
    assert new.register(compressed_body(new), compressed=True).code == 0
    answer = old.connection.call(103, old.header(compressed=True), compressed_body(old, False),
                                 version=409)
    assert answer.code == 0
    assert route(name_server, new.topics[0])["queueDatas"][0]["readQueueNums"] == 4
    assert route(name_server, old.topics[1])["queueDatas"][0]["writeQueueNums"] == 4


def test_compressed_registration_that_is_broken_is_refused(fake):
    """Goal: a bad stream, or one without the section its version has, is answered 1."""
    broker = fake()
    assert broker.register(b"this is no zlib stream", compressed=True).code == 1
    assert broker.register(compressed_body(broker, False), compressed=True).code == 1


def test_registration_crc_is_checked(fake):
    """Goal: a body damaged on its way is not taken. Method: right, absent (0) and wrong CRC."""
    broker = fake()
    body = json_bytes(broker.body())
    crc = zlib.crc32(body) & 0x7FFFFFFF
    assert broker.register(body, bodyCrc32=crc).code == 0
    assert broker.register(body, bodyCrc32=0).code == 0
    answer = broker.register(body, bodyCrc32=crc ^ 1)
    assert answer.code == 1 and "crc32" in answer.remark


def test_first_registration_with_one_topic_is_refused(fake, name):
    """Goal: as the reference, an unknown broker cannot register a single topic."""
    answer = fake(topics=[name("topic")]).register()
    assert answer.code == 1 and "register broker failed" in answer.remark


def test_known_broker_adds_a_single_topic(fake, name_server, name):
    """Goal: a known broker may register one new topic, and the others stay."""
    broker = fake()
    assert broker.register().code == 0
    first, added = broker.topics[0], name("topic")
    broker.topics = [added]
    broker.version = {**broker.version, "counter": 2}
    assert broker.register().code == 0
    assert route(name_server, added) and route(name_server, first)


def test_unknown_topic_has_no_route(name_server, name):
    """Goal: 17 makes clients fall back to TBW102."""
    answer = name_server.call(105, {"topic": name("topic")})
    assert answer.code == 17 and "No topic route info" in answer.remark


@pytest.mark.parametrize("version,flag,quoted", [
    (mq.JAVA_4_9_3, None, False), (121, None, False), (317, None, False), (401, None, True),
    (mq.JAVA_5_3_3, None, True), (317, True, True)])
def test_route_keys_in_the_dialect_of_the_client(fake, name_server, version, flag, quoted):
    """Goal: old clients get bare integer keys, new ones JSON."""
    broker = fake()
    broker.register()
    answer = name_server.call(105, {"topic": broker.topics[0], "acceptStandardJsonOnly": flag},
                              version=version)
    assert ((b'{"0":"' if quoted else b'{0:"') + broker.address.encode()) in answer.body
    assert b" " not in answer.body


def test_master_and_slave_share_a_name(fake, name_server):
    """Goal: a slave is shown beside its master and is told the master's addresses."""
    master = fake()
    master.register()
    slave = fake(master.name, master.cluster, master.topics, broker_id=1)
    answer = slave.register()
    assert answer.ext["masterAddr"] == master.address
    assert answer.ext["haServerAddr"] == "127.9.9.9:10912"
    assert route(name_server, master.topics[0])["brokerDatas"][0]["brokerAddrs"] == {
        "0": master.address, "1": slave.address}


def test_same_address_with_another_id_replaces_the_old_one(fake, name_server):
    """Goal: a broker that changed its role is not shown twice."""
    master = fake()
    master.register()
    master.broker_id = 1
    master.register()
    assert name_server.call(901, {"clusterName": master.cluster, "brokerName": master.name}) \
        .json()["brokerMemberGroup"]["brokerAddrs"] == {1: master.address}


def test_unregistered_broker_is_gone(fake, name_server):
    """Goal: 104 takes a broker and its routes away, in a batch; an unknown one is answered 0 too."""
    broker = fake()
    broker.register()
    assert broker.unregister().code == 0
    wait_until(lambda: route(name_server, broker.topics[0]) is None, what="route is gone")
    assert broker.unregister().code == 0


def test_closed_connection_takes_the_broker_away(fake, name_server):
    """Goal: a broker that died is not shown."""
    broker = fake()
    broker.register()
    broker.connection.close()
    wait_until(lambda: route(name_server, broker.topics[0]) is None, what="route is gone")


def test_silent_broker_expires(fake, name_server):
    """Goal: a broker that says nothing is taken away after its own heartbeatTimeoutMillis.
    Method: one of 1 s; the scan runs each 5 s."""
    broker = fake()
    broker.register(heartbeatTimeoutMillis=1000)
    assert route(name_server, broker.topics[0])
    wait_until(lambda: route(name_server, broker.topics[0]) is None, 60, "expiry", 0.2)


def test_heartbeat_keeps_a_broker_alive(fake, name_server):
    """Goal: 904 moves the expiry on. Method: two brokers of 4 s, one sends 904 until the other
    is gone."""
    kept, lost = fake(), fake()
    for broker in (kept, lost):
        broker.register(heartbeatTimeoutMillis=4000)

    def lost_is_gone():
        assert kept.connection.call(904, kept.header(heartbeatTimeoutMillis=4000)).code == 0
        return route(name_server, lost.topics[0]) is None

    wait_until(lost_is_gone, 60, "expiry", 0.3)
    assert route(name_server, kept.topics[0])


def test_heartbeat_of_an_unknown_broker_is_answered_0(fake):
    """Goal: 904 never refuses."""
    broker = fake()
    assert broker.connection.call(904, broker.header()).code == 0


def test_query_data_version_tells_what_changed(fake):
    """Goal: 322 saves registrations. Method: unknown, same, other version."""
    broker = fake()
    unknown = broker.connection.call(322, broker.header(), broker.version)
    assert unknown.ext["changed"] == "true" and unknown.body == b""
    broker.register()
    same = broker.connection.call(322, broker.header(), broker.version)
    assert same.ext["changed"] == "false" and same.json() == broker.version
    other = broker.connection.call(322, broker.header(), {**broker.version, "counter": 9})
    assert other.ext["changed"] == "true" and other.json() == broker.version


def test_cluster_info_lists_brokers_with_bare_keys(fake, name_server):
    """Goal: 106 shows each broker and cluster; its integer keys are bare for every version."""
    broker = fake()
    broker.register()
    info = name_server.call(106).json()
    assert info["brokerAddrTable"][broker.name]["brokerAddrs"] == {0: broker.address}
    assert info["clusterAddrTable"][broker.cluster] == [broker.name]


def test_member_group_of_an_unknown_broker_is_empty(name_server, name):
    """Goal: 901 does not refuse."""
    answer = name_server.call(901, {"clusterName": name("c"), "brokerName": name("b")})
    assert answer.code == 0
    assert answer.json()["brokerMemberGroup"]["brokerAddrs"] == {}


def test_wiped_write_permission_shows_and_comes_back(fake, name_server):
    """Goal: 205 and 327 take a broker out of writing and back. Method: perm 6, 4, 6."""
    broker = fake()
    broker.register()
    assert name_server.call(205, {"brokerName": broker.name}).ext == {"wipeTopicCount": "2"}
    assert route(name_server, broker.topics[0])["queueDatas"][0]["perm"] == 4
    assert name_server.call(327, {"brokerName": broker.name}).ext == {"addTopicCount": "2"}
    assert route(name_server, broker.topics[0])["queueDatas"][0]["perm"] == 6


def test_wiping_an_unknown_broker_counts_nothing(name_server, name):
    """Goal: answered 0 with a count of 0."""
    answer = name_server.call(205, {"brokerName": name("broker")})
    assert answer.code == 0 and answer.ext == {"wipeTopicCount": "0"}


def test_topic_lists(fake, name_server, name):
    """Goal: 206 lists everything, 224 one cluster's topics, 304 system topics."""
    broker = fake()
    broker.register()
    everything = name_server.call(206).json()["topicList"]
    assert set(broker.topics) <= set(everything)
    of_cluster = name_server.call(224, {"cluster": broker.cluster}).json()["topicList"]
    assert set(of_cluster) == set(broker.topics)
    assert name_server.call(224, {"cluster": name("cluster")}).json()["topicList"] == []
    system = name_server.call(304).json()
    assert {broker.cluster, broker.name} <= set(system["topicList"])
    assert ":" in system["brokerAddr"]


@pytest.mark.parametrize("code", [311, 312, 313])
def test_unit_topic_lists(fake, name_server, code):
    """Goal: topics without unit flags are in none of the unit lists."""
    broker = fake()
    broker.register()
    assert not set(broker.topics) & set(name_server.call(code).json().get("topicList", []))


def test_unit_topic_is_listed(fake, name_server):
    """Goal: flag 1 puts a topic into 311."""
    broker = fake()
    body = broker.body()
    body["topicConfigSerializeWrapper"]["topicConfigTable"][broker.topics[0]]["topicSysFlag"] = 1
    broker.register(body)
    listed = name_server.call(311).json()["topicList"]
    assert broker.topics[0] in listed and broker.topics[1] not in listed


def test_deleted_topic_has_no_route(fake, name_server):
    """Goal: 216 takes a topic out of the routes; deleting an unknown one is answered 0."""
    broker = fake()
    broker.register()
    assert name_server.call(216, {"topic": broker.topics[0]}).code == 0
    assert route(name_server, broker.topics[0]) is None
    assert route(name_server, broker.topics[1])
    assert name_server.call(216, {"topic": broker.topics[0]}).code == 0


def test_topic_registered_by_hand_is_routed(fake, name_server, name):
    """Goal: 217 adds a route for a known broker."""
    broker, topic = fake(), name("topic")
    broker.register()
    body = {"queueDatas": [{"brokerName": broker.name, "perm": 6, "readQueueNums": 3,
                            "writeQueueNums": 3, "topicSysFlag": 0}],
            "brokerDatas": [], "filterServerTable": {}}
    assert name_server.call(217, {"topic": topic}, body).code == 0
    assert route(name_server, topic)["queueDatas"][0]["readQueueNums"] == 3


def test_key_value_table(name_server, name):
    """Goal: 100, 101, 102, 219 keep, give, remove and list values of a namespace."""
    space = name("space")
    for key, value in (("a", "1"), ("b", "zwei ä")):
        assert name_server.call(100, {"namespace": space, "key": key, "value": value}).code == 0
    assert name_server.call(101, {"namespace": space, "key": "b"}).ext == {"value": "zwei ä"}
    assert name_server.call(219, {"namespace": space}).json() == {"table": {"a": "1", "b": "zwei ä"}}
    assert name_server.call(102, {"namespace": space, "key": "a"}).code == 0
    assert name_server.call(101, {"namespace": space, "key": "a"}).code == 22
    assert name_server.call(102, {"namespace": space, "key": "a"}).code == 0


def test_missing_key_value_entries(name_server, name):
    """Goal: the codes clients know: 22 for what is not there, 1 for what is not given."""
    assert name_server.call(101, {"namespace": name("s"), "key": "k"}).code == 22
    assert name_server.call(219, {"namespace": name("s")}).code == 22
    assert name_server.call(102, {"namespace": name("s"), "key": "k"}).code == 0
    assert name_server.call(100, {"namespace": name("s"), "value": "v"}).code == 1


def test_registration_answers_the_order_table(fake, name_server):
    """Goal: brokers get the namespace ORDER_TOPIC_CONFIG with their registration."""
    key = {"namespace": "ORDER_TOPIC_CONFIG", "key": "flow_ordered"}
    assert name_server.call(100, {**key, "value": "broker-a:4"}).code == 0
    assert fake().register().json()["table"]["flow_ordered"] == "broker-a:4"
    assert name_server.call(102, key).code == 0


def test_settings_are_given_and_changed(name_server):
    """Goal: 319 lists key=value lines, 318 changes one at run time."""
    def settings():
        text = name_server.call(319).body.decode()
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    assert settings()["orderMessageEnable"] == "false"
    assert name_server.call(318, body=b"orderMessageEnable=true\n").code == 0
    assert settings()["orderMessageEnable"] == "true"
    assert name_server.call(318, body=b"orderMessageEnable=false\n").code == 0


def test_order_configuration_in_the_route(fake, name_server):
    """Goal: with orderMessageEnable a route carries the topic's entry of ORDER_TOPIC_CONFIG."""
    broker = fake()
    broker.register()
    key = {"namespace": "ORDER_TOPIC_CONFIG", "key": broker.topics[0]}
    name_server.call(100, {**key, "value": broker.name + ":4"})
    name_server.call(318, body=b"orderMessageEnable=true\n")
    assert route(name_server, broker.topics[0])["orderTopicConf"] == broker.name + ":4"
    name_server.call(318, body=b"orderMessageEnable=false\n")
    assert "orderTopicConf" not in route(name_server, broker.topics[0])
    name_server.call(102, key)


def test_blacklisted_setting_is_refused(name_server):
    """Goal: paths cannot be changed from outside."""
    assert name_server.call(318, body=b"kvConfigPath=/tmp/elsewhere\n").code == 16


def test_unknown_setting_is_refused(name_server, target):
    """Goal: a typing error does not pass for a change."""
    code = name_server.call(318, body=b"orderMessageEnabel=true\n").code
    assert (code == 0) == differs(target, True, False, "5.3.3 skips unknown keys in silence")


def test_min_broker_change_is_told_to_the_brokers(fake, name_server):
    """Goal: with notifyMinBrokerIdChanged the brokers of a set hear who is the smallest (905).
    Method: a slave that listens; its master joins; the name server calls the slave."""
    assert name_server.call(318, body=b"notifyMinBrokerIdChanged=true\n").code == 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        slave = fake(broker_id=1, address="127.0.0.1:%d" % listener.getsockname()[1])
        slave.register(enableActingMaster=True)
        master = fake(slave.name, slave.cluster, slave.topics)
        assert master.register(enableActingMaster=True).code == 0
        accepted, address = listener.accept()
        with mq.Connection(address, accepted=accepted) as called:
            push = called.receive_push(code=905)
            while push.ext["minBrokerId"] != "0":
                push = called.receive_push(code=905)
    assert push.ext["minBrokerAddr"] == master.address
    assert push.flag & mq.ONEWAY
    assert name_server.call(318, body=b"notifyMinBrokerIdChanged=false\n").code == 0


def test_real_broker_is_registered_with_its_system_topics(pair, name_server):
    """Goal: the broker under test shows its default topic in the route."""
    data = route(name_server, "TBW102")
    assert data["brokerDatas"][0]["brokerAddrs"] == {"0": pair.broker.address}
    assert data["queueDatas"][0] == {"brokerName": "broker-a", "perm": 7, "readQueueNums": 8,
                                     "topicSysFlag": 0, "writeQueueNums": 8}
    assert route(name_server, "BenchmarkTest")["queueDatas"][0]["readQueueNums"] == 1024


def test_route_can_be_restricted_to_a_zone(fake, name_server, name):
    """Goal: a request with __ZONE_MODE and __ZONE_NAME sees the brokers of that zone, letter case aside; without
    the mode, all; in a zone of nobody's, an empty route."""
    topics = [name("topic"), name("topic")]
    brokers = {zone: fake(topics=topics) for zone in ("east", "west", None)}
    for zone, one in brokers.items():
        assert one.register(**({"__ZONE_NAME": zone} if zone else {})).code == 0

    def seen(**fields):
        answer = name_server.call(105, {"topic": topics[0], **fields})
        assert answer.code == 0
        table = answer.json()
        names = {data["brokerName"] for data in table["brokerDatas"]}
        assert names == {data["brokerName"] for data in table["queueDatas"]}
        return {zone for zone, one in brokers.items() if one.name in names}

    assert seen() == seen(__ZONE_NAME="east") == {"east", "west", None}
    assert seen(__ZONE_MODE="true", __ZONE_NAME="EAST") == {"east"}
    assert seen(__ZONE_MODE="true", __ZONE_NAME="nowhere") == set()
    assert seen(__ZONE_MODE="true") == {"east", "west", None}
