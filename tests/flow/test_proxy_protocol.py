"""The PROXY protocol: a proxy in front says where a connection comes from."""

import socket
import struct

import mini_client as mq
import pytest
import servers
from certificates import trusting_all
from conftest import differs, pull_all, send

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1_IPV4 = b"PROXY TCP4 192.0.2.7 198.51.100.1 40112 10911\r\n"
V1_IPV6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 40112 10911\r\n"


def v2(command, family, addresses=b"", additions=b""):
    return (SIGNATURE + bytes([0x20 | command, family]) +
            struct.pack(">H", len(addresses) + len(additions)) + addresses + additions)


IPV4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 40112, 10911)
IPV6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::1") +
        struct.pack(">HH", 40112, 10911))
UNIX = b"/tmp/a".ljust(108, b"\0") + b"/tmp/b".ljust(108, b"\0")
TLV = b"\x04\x00\x05noise\x02\x00\x03abc"

NAMED = {  # header -> the client's address
    "v1-ipv4": (V1_IPV4, "192.0.2.7:40112"), "v2-ipv4": (v2(1, 0x11, IPV4), "192.0.2.7:40112"),
    "v2-ipv4-additions": (v2(1, 0x11, IPV4, TLV), "192.0.2.7:40112"),
    "v1-ipv6": (V1_IPV6, "[2001:db8::7]:40112"), "v2-ipv6": (v2(1, 0x21, IPV6), "[2001:db8::7]:40112"),
}
NAMELESS = {  # header: the connection's own address stays
    "v1-unknown": b"PROXY UNKNOWN\r\n", "v2-local": v2(0, 0), "v2-local-with-address": v2(0, 0x11, IPV4),
    "v2-unspec": v2(1, 0), "v2-unix": v2(1, 0x31, UNIX),
}
MALFORMED = {
    "v1-family": b"PROXY TCP5 192.0.2.7 198.51.100.1 1 1\r\n", "v1-address": b"PROXY TCP4 192.0.2 1.2.3.4 1 1\r\n",
    "v1-port": b"PROXY TCP4 192.0.2.7 1.2.3.4 70000 1\r\n", "v1-endless": b"PROXY TCP4 " + b"1" * 200,
    "v2-command": v2(2, 0x11, IPV4), "v2-short": v2(1, 0x11, IPV4[:-1]), "http": b"POST / HTTP/1.1\r\n\r\n",
}


def members(broker, group):
    """The addresses in a group's connection list."""
    answer = broker.call(203, {"consumerGroup": group})
    return [row["clientAddr"] for row in answer.json()["connectionSet"]] if answer.code == 0 else []


def join(connection, group, topic):
    body = mq.heartbeat_body("relayed", consumers={group: [mq.subscription(topic)]})
    assert connection.call(34, body=body).code == 0


@pytest.mark.parametrize("tls", [None, trusting_all()], ids=["plain", "tls"])
@pytest.mark.parametrize("case", NAMED)
def test_the_address_a_proxy_names_is_the_clients(pair, broker, topic, group, target, case, tls):
    """Goal: connection lists and born hosts show who really sends, whatever follows the header."""
    header, address = NAMED[case]
    with mq.Connection(pair.broker.address, begin=header, tls=tls) as c:
        join(c, group, topic)
        shown = members(broker, group)
        answer = send(c, topic, b"relayed")
        assert answer.code == 0
        record, = pull_all(broker, group, topic)
        if target == "ramjet":
            assert shown == [address]
            host, port = record.born_host.rsplit(":", 1)
            assert host.strip("[]") == address.rsplit(":", 1)[0].strip("[]") and port == "40112"
        else:
            assert differs(target, c.local_address(), address, "5.3.3 stores the proxy's own") == record.born_host


@pytest.mark.parametrize("case", NAMELESS)
def test_a_header_without_an_address_changes_nothing(pair, broker, topic, group, case):
    with mq.Connection(pair.broker.address, begin=NAMELESS[case]) as c:
        join(c, group, topic)
        assert members(broker, group) == [c.local_address()]


def test_a_header_may_come_in_single_bytes(pair, is_ramjet):
    if not is_ramjet:
        pytest.skip("5.3.3 loses the first bytes when fewer than 12 come together")
    for header in (V1_IPV4, v2(1, 0x21, IPV6, TLV)):
        with mq.Connection(pair.name_server.address) as c:
            for i in range(len(header)):
                c.send_raw(header[i:i + 1])
            assert c.call(106).code == 0


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_header_is_cut(pair, name_server, is_ramjet, case):
    """Goal: the connection is closed, with one line of the log, and others go on."""
    log = pair.name_server.log_path
    before = log.stat().st_size
    with mq.Connection(pair.name_server.address) as c:
        c.send_raw(MALFORMED[case])
        assert c.wait_closed() == b""
        peer = c.local_address()
    assert name_server.call(106).code == 0
    if is_ramjet:
        lines = servers.wait_until(lambda: [line for line in log.read_text()[before:].splitlines()
                                            if "peer=%s " % peer in line])
        assert len(lines) == 1 and "malformed_proxy_header" in lines[0]


def test_a_second_header_is_no_frame(pair, is_ramjet):
    """Goal: only the first header is one: a client cannot add its own behind a proxy's."""
    if not is_ramjet:
        pytest.skip("the reference waits for the end of an endless frame")
    with mq.Connection(pair.name_server.address, begin=V1_IPV4 + V1_IPV4) as c:
        assert c.wait_closed() == b""


def test_a_client_that_disconnects_behind_a_proxy_leaves_its_group(pair, broker, topic, group):
    c = mq.Connection(pair.broker.address, begin=V1_IPV4)
    join(c, group, topic)
    assert len(members(broker, group)) == 1
    c.close()
    servers.wait_until(lambda: members(broker, group) == [])
