"""Frames, headers and what comes back for bytes that are none."""

import json
import resource
import socket
import struct
import time

import pytest

import mini_client as mq
from conftest import differs, send
from servers import wait_until

RUNTIME_INFO = 28


def closed_without_answer(pair, data):
    with pair.broker.connect() as connection:
        try:
            connection.send_raw(data)
        except ConnectionError:
            return True
        return connection.wait_closed() == b""


def still_serves(pair):
    with pair.broker.connect() as connection:
        return connection.call(RUNTIME_INFO).code == 0


def test_unknown_code_is_answered_3(broker):
    """Goal: no client waits for the answer to a request the server does not know.
    Method: a code nobody has; the remark names it."""
    answer = broker.call(54321)
    assert answer.code == 3
    assert "54321" in answer.remark and "not supported" in answer.remark


def test_unknown_code_at_the_name_server_is_answered_3(name_server):
    """Goal: as above for the name server."""
    assert name_server.call(54321).code == 3


def test_oneway_is_never_answered(broker):
    """Goal: a oneway request gets no answer, not even for an error.
    Method: oneway with an unknown code, then an ordinary request: its answer is the first frame."""
    lost = broker.send(54321, flag=mq.ONEWAY)
    assert broker.call(RUNTIME_INFO).code == 0
    assert lost not in broker.answers


def test_answers_repeat_opaque_and_are_flagged(broker):
    """Goal: answers are matched by opaque.
    Method: three requests in one write, their opaques far apart."""
    opaques = [7, -5, 2**31 - 1]
    broker.send_raw(b"".join(mq.encode(mq.Frame(RUNTIME_INFO, opaque=o)) for o in opaques))
    for opaque in opaques:
        answer = broker.receive(opaque)
        assert answer.opaque == opaque and answer.flag == mq.RESPONSE and answer.code == 0


def test_answer_header_is_compact_json(broker):
    """Goal: clients that split the header by hand find what they expect.
    Method: keys sorted, no blanks, language JAVA, version 479, every ext value a string."""
    answer = broker.call(30, {"topic": "TBW102", "queueId": 0})
    head = json.loads(answer.header)
    assert head["language"] == "JAVA" and head["version"] == 479
    assert head["serializeTypeCurrentRPC"] == "JSON"
    assert list(head) == sorted(head)
    assert b" " not in answer.header
    assert head["extFields"] == {"offset": "0"}


def test_reply_comes_in_the_type_of_the_request(broker, target):
    """Goal: a client gets the header encoding it speaks.
    Method: a binary request."""
    answer = broker.call(RUNTIME_INFO, kind=mq.BINARY)
    assert answer.kind == differs(target, mq.JSON, mq.BINARY,
                                  "4.x mirrors; 5.3.3 answers in its own default type")
    assert answer.code == 0 and answer.language == "JAVA"


def test_binary_request_carries_fields_both_ways(broker, topic):
    """Goal: binary headers lose nothing. Method: a send with properties, and its ids."""
    answer = broker.call(310, mq.send_fields(topic, 1, {"TAGS": "t", "KEYS": "ä"}), b"x", kind=mq.BINARY)
    assert answer.code == 0
    assert answer.ext["queueId"] == "1" and answer.ext["queueOffset"] == "0"


def test_both_encodings_share_a_connection(broker):
    """Goal: the type is a matter of each frame. Method: alternate."""
    for kind in (mq.JSON, mq.BINARY, mq.JSON):
        assert broker.call(RUNTIME_INFO, kind=kind).code == 0


@pytest.mark.parametrize("header", [
    b'{"code":28,"flag":0,"language":"KLINGON","opaque":9,"version":479}',
    b'{"code":28,"flag":0,"opaque":9}',
    b'{"code":28,"flag":0,"opaque":9,"extFields":{"a":1,"b":true},"later":{"x":[1,2]}}',
    b'{ "opaque" : 9 , "code" : 28 , "extFields" : null }',
], ids=["unknown_language", "no_language", "numbers_and_extras", "blanks_and_null"])
def test_lenient_json_header(broker, header):
    """Goal: headers as other people's clients write them are understood."""
    broker.send_raw(mq.raw_frame(header))
    assert broker.receive(9).code == 0


def test_frame_in_single_bytes(broker):
    """Goal: a frame may arrive in any pieces. Method: byte by byte."""
    for byte in mq.encode(mq.Frame(RUNTIME_INFO, opaque=77)):
        broker.send_raw(bytes([byte]))
    assert broker.receive(77).code == 0


def test_two_hundred_requests_in_one_write(broker):
    """Goal: pipelined requests are all answered."""
    broker.send_raw(b"".join(mq.encode(mq.Frame(30, {"topic": "TBW102", "queueId": 0}, opaque=i))
                             for i in range(200)))
    assert all(broker.receive(i).code == 0 for i in range(200))


@pytest.mark.parametrize("data", [
    struct.pack(">i", 0) + bytes(20),
    struct.pack(">i", 3) + bytes(20),
    struct.pack(">i", -1) + bytes(20),
    struct.pack(">i", -2**31) + bytes(20),
    struct.pack(">i", mq.MAX_FRAME_BYTES - 3) + bytes(20),
    struct.pack(">i", 2**31 - 1) + bytes(20),
    struct.pack(">ii", 20, 0) + bytes(16),
    struct.pack(">ii", 20, 17) + bytes(16),
    struct.pack(">ii", 20, 0xFFFFFF) + bytes(16),
    struct.pack(">ii", 20, (2 << 24) | 16) + bytes(16),
    struct.pack(">iI", 20, (0xFF << 24) | 16) + bytes(16),
    mq.raw_frame(b"this is not JSON"),
    mq.raw_frame(b'{"code":28,"opaque":1'),
    mq.raw_frame(b"[1,2,3,4,5,6,7,8]"),
    mq.raw_frame(bytes(20), kind=mq.BINARY),
    mq.raw_frame(struct.pack(">hBhiiii", 28, 0, 479, 1, 0, 9999, 0), kind=mq.BINARY),
    mq.raw_frame(struct.pack(">hBhiiii", 28, 0, 479, 1, 0, 0, 2**31 - 1), kind=mq.BINARY),
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
], ids=["length_0", "length_3", "length_minus_1", "length_min", "length_over_16_mib", "length_max",
        "header_0", "header_longer_than_frame", "header_24_bits", "type_2", "type_255", "no_json",
        "half_json", "json_list", "binary_short", "binary_remark_too_long", "binary_ext_too_long",
        "http"])
def test_malformed_frame_closes_the_connection(pair, data):
    """Goal: bytes that are no frame cost their sender the connection, and nobody else anything."""
    assert closed_without_answer(pair, data)
    assert still_serves(pair)


def test_random_bytes_close_the_connection(pair):
    """Goal: garbage is cut. Method: 64 KiB that no frame starts with."""
    assert closed_without_answer(pair, bytes((i * 131 + 89) & 0xFF | 0x80 for i in range(65536)))
    assert still_serves(pair)


def test_truncated_frame_then_close_harms_nobody(pair):
    """Goal: a peer that leaves in mid-frame leaves nothing behind."""
    whole = mq.encode(mq.Frame(RUNTIME_INFO, opaque=1))
    for cut in (1, 4, 5, 8, 13, len(whole) - 1):
        with pair.broker.connect() as connection:
            connection.send_raw(whole[:cut])
    assert still_serves(pair)


def test_half_close_still_gets_the_answer_or_a_close(pair):
    """Goal: a peer that has shut its sending side down is answered or closed, never kept."""
    with pair.broker.connect() as connection:
        connection.send_raw(mq.encode(mq.Frame(RUNTIME_INFO, opaque=1)))
        connection.socket.shutdown(socket.SHUT_WR)
        connection.wait_closed()


def test_deep_json_header_is_refused(pair):
    """Goal: nesting costs no stack. Method: 100,000 brackets in the header."""
    depth = 100_000
    header = b'{"code":28,"opaque":1,"extFields":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    with pair.broker.connect() as connection:
        connection.send_raw(mq.raw_frame(header))
        try:
            connection.receive(1, timeout=3)
        except (mq.Closed, TimeoutError):
            pass
    assert still_serves(pair)


def test_deep_json_body_is_refused(broker, pair, target):
    """Goal: nesting in a body costs no stack. Method: a heartbeat of brackets."""
    try:
        assert broker.call(34, body=b"[" * 100_000, timeout=30).code == 1
    except TimeoutError:
        assert target != "ramjet", "5.3.3 loses the request to a StackOverflowError"
    assert still_serves(pair)


def test_body_of_another_type_is_answered_1(broker):
    """Goal: a body that is no JSON, or JSON of another shape, is the client's fault: code 1."""
    for body in (b"", b"no json", b'{"clientID":'):
        assert broker.call(34, body=body).code == 1


@pytest.mark.parametrize("fields", [
    {}, {"topic": "x"}, {"queueId": 0}, {"topic": "x", "queueId": "many"},
    {"topic": "x", "queueId": 2**40}, {"topic": "x", "queueId": "-"},
])
def test_missing_and_unreadable_fields_do_not_kill(broker, fields):
    """Goal: whatever is left out or is no number is answered somehow, on a live connection."""
    assert broker.call(30, fields).code in (0, 1, 17, 29)
    assert broker.call(RUNTIME_INFO).code == 0


def test_every_code_without_fields_is_answered(broker, name_server):
    """Goal: an empty request of any code gets an answer, and the connection lives.
    Method: all codes a client may send, no fields, no body."""
    for code in (10, 310, 320, 11, 361, 12, 33, 36, 14, 15, 29, 30, 31, 32, 34, 35, 38, 41, 42,
                 17, 18, 200, 201, 202, 203, 204, 207, 208, 215, 351, 352):
        assert isinstance(broker.call(code).code, int), code
    for code in (103, 104, 105, 322, 904, 901, 205, 327, 224, 311, 100, 101, 102, 219, 318):
        assert isinstance(name_server.call(code).code, int), code
    assert broker.call(RUNTIME_INFO).code == 0 and name_server.call(106).code == 0


# what nobody serves, in the reference either: dead codes, the container's, the controller's
DEAD_CODES = (13, 22, 23, 27, 47, 209, 210, 211, 212, 213, 214, 301, 302, 902, 903, 1001, 1002, 1003, 1004, 1005, 1006,
              1009, 1010, 1011, 1012, 1013)
# RocksDB's, static topics, the controller's to a broker, access control, and those of later releases
NOT_OURS = (354, 355, 513, 1008, *range(3001, 3011), 5001, 5002, 5003, *range(200070, 200080))


@pytest.mark.parametrize("codes", [DEAD_CODES, NOT_OURS], ids=["dead", "not_ours"])
def test_codes_that_are_not_served_are_told(broker, is_ramjet, codes):
    """Goal: whoever asks for what is not there is told which code it was, whatever it sends along."""
    if codes is NOT_OURS and not is_ramjet:
        pytest.skip("the reference serves these, some with other answers when they are switched off")
    for code in codes:
        for body in (b"", b"{}", b"\xff" * 1000):
            answer = broker.call(code, {"topic": "t", "user": "u"}, body)
            assert answer.code == 3 and answer.remark == " request type %d not supported" % code


def test_slow_drip_does_not_delay_others(pair, broker):
    """Goal: a peer that sends one byte now and then costs others nothing.
    Method: half a frame on one connection, requests on another, then the rest."""
    whole = mq.encode(mq.Frame(RUNTIME_INFO, opaque=5))
    with pair.broker.connect() as slow:
        for at, byte in enumerate(whole):
            slow.send_raw(bytes([byte]))
            if at % 10 == 0:
                assert broker.call(30, {"topic": "TBW102", "queueId": 0}).code == 0
        assert slow.receive(5).code == 0


def test_one_who_never_reads_is_contained(pair, broker, topic, group, target):
    """Goal: answers to a peer that does not read neither grow memory nor delay others.
    Method: pipeline pulls of 256 KiB until the socket is full; another client is served."""
    most = differs(target, 50, 4000, "5.3.3 keeps every answer and runs out of heap")
    for _ in range(8):
        send(broker, topic, bytes(256 * 1024))
    request = mq.encode(mq.Frame(11, mq.pull_fields(group, topic), opaque=1))
    with pair.broker.connect() as deaf:
        deaf.socket.setblocking(False)
        end = time.monotonic() + 2
        sent = 0
        while sent < most and time.monotonic() < end:
            try:
                sent += deaf.socket.send(request) // len(request)
            except BlockingIOError:
                assert broker.call(RUNTIME_INFO).code == 0
            except ConnectionError:
                break
        assert broker.call(RUNTIME_INFO).code == 0
    assert still_serves(pair)


def resident_kib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def test_silent_connections_cost_little(pair, broker, is_ramjet):
    """Goal: connections that say nothing cost little and disturb nobody.
    Method: 10,000 of them (2,000 on the reference), as far as this machine's limit allows, with a request beside."""
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    crowd = min(10000 if is_ramjet else 2000, hard_limit - 500)
    before = resident_kib(pair.broker.pid)
    silent = []
    try:
        for _ in range(crowd):
            silent.append(socket.create_connection(mq.split_address(pair.broker.address)))
        assert broker.call(RUNTIME_INFO).code == 0
        if is_ramjet:
            assert resident_kib(pair.broker.pid) - before < 16 * crowd, "16 KiB a connection"
    finally:
        for one in silent:
            one.close()
    wait_until(lambda: still_serves(pair), 60, "service after the crowd left")


def test_ports_beside_serve_too(pair, topic, target):
    """Goal: clients with the VIP channel on find the broker at its port minus 2, pulls excepted."""
    host, port = mq.split_address(pair.broker.address)
    with mq.Connection((host, port - 2)) as fast:
        assert send(fast, topic).code == 0
        assert fast.call(11, mq.pull_fields("g", topic)).code == 3
