"""What no honest client sends: nobody else must notice."""

import time

import mini_client as mq
import pytest
import servers

JSON_HEADER = ('{"code":%d,"language":"JAVA","version":479,"opaque":7,"flag":0,'
               '"extFields":{"namespace":"n","key":"%s"},"serializeTypeCurrentRPC":"JSON"}')
GROUPS = 60000


@pytest.mark.parametrize("what", ["producers", "consumers", "subscriptions"])
def test_a_huge_heartbeat_does_not_keep_others_waiting(connect, broker, name, is_ramjet, what):
    """Goal: a heartbeat with tens of thousands of groups or topics costs the others no time.
    Method: one is sent, and the time until it is refused, and a small request on another connection answered, is
    measured."""
    if not is_ramjet:
        pytest.skip("a limit of Ramjet's own")
    stem = name("many")
    names = ["%s_%d" % (stem, i) for i in range(GROUPS)]
    body = {"producers": lambda: mq.heartbeat_body(stem, producers=names),
            "consumers": lambda: mq.heartbeat_body(stem, consumers={n: [] for n in names}),
            "subscriptions": lambda: mq.heartbeat_body(
                stem, consumers={stem: [mq.subscription(n) for n in names]})}[what]()
    hostile = connect()
    opaque = hostile.send(34, body=body)
    began = time.monotonic()
    assert hostile.receive(opaque).code == 1
    broker.call(28)
    assert time.monotonic() - began < 30
    assert broker.call(34, body=mq.heartbeat_body(stem, ["small"])).code == 0


def test_groups_of_a_connection_are_bounded(connect, name, is_ramjet):
    """Goal: many small heartbeats on one connection end as one big one does.
    Method: new producer groups in each, until it is refused."""
    if not is_ramjet:
        pytest.skip("a limit of Ramjet's own")
    connection, stem = connect(), name("many")
    codes = [connection.call(34, body=mq.heartbeat_body(
        stem, ["%s_%d_%d" % (stem, round_, i) for i in range(1000)])).code for round_ in range(5)]
    assert codes[0] == 0 and codes[-1] == 1


def test_a_long_id_is_not_kept_for_each_group(connect, broker, name, is_ramjet):
    """Goal: what a broker keeps of its live clients is bounded, however little they send for it.
    Method: an id of a megabyte, and a thousand groups that it would be kept with."""
    if not is_ramjet:
        pytest.skip("a limit of Ramjet's own")
    stem = name("many")
    hostile = connect()
    answer = hostile.call(34, body=mq.heartbeat_body("x" * 1000000, ["%s_%d" % (stem, i) for i in range(1000)]))
    assert answer.code == 1 and "room" in answer.remark
    hostile.close()
    servers.wait_until(lambda: broker.call(34, body=mq.heartbeat_body(stem, ["%s_honest" % stem])).code == 0)


def test_an_echo_longer_than_a_header_is_cut(name_server, is_ramjet):
    """Goal: a text that grows when it is written as JSON again ends in an answer, not in a crash.
    Method: six million bytes that are not UTF-8, echoed in the remark at three bytes each."""
    if not is_ramjet:
        pytest.skip("a limit of Ramjet's own")
    header = (JSON_HEADER % (101, "")).encode().replace(b'"key":"', b'"key":"' + b"\xff" * 6000000)
    name_server.send_raw(mq.raw_frame(header))
    assert name_server.receive(7).code != 0
    assert name_server.call(106).code == 0


@pytest.mark.parametrize("text", ["a\x00b", "\x00"])
def test_a_key_that_no_file_gives_back_is_refused(name_server, name, is_ramjet, text):
    """Goal: no key or value keeps the name server from starting again.
    Method: U+0000, which the reader of its file refuses, in each place."""
    if not is_ramjet:
        pytest.skip("a limit of Ramjet's own")
    good = {"namespace": name("space"), "key": "k", "value": "v"}
    for field in good:
        assert name_server.call(100, {**good, field: text}).code == 1
    assert name_server.call(100, good).code == 0
