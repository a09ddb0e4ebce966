"""A small RocketMQ remoting client: frames, both header encodings, message records, batches.

Written for the tests from the description of the protocol. It shares nothing with the server's
own sources, so that a mistake made there is not made here again. Standard library only.

Units   times are seconds (float) in Python arguments and milliseconds in protocol fields.
Errors  ProtocolError: the peer sent something that is no frame; Closed: it closed the connection;
        TimeoutError: nothing arrived before the deadline.
Threads one connection belongs to one thread.
"""

import json
import socket
import struct
import time
import zlib
from collections import deque
from dataclasses import dataclass, field

JSON, BINARY = 0, 1
RESPONSE, ONEWAY = 1, 2
JAVA_5_3_3, JAVA_4_9_3, JAVA_3_4_9 = 479, 399, 121
LANGUAGES = ["JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO",
             "PHP", "OMS", "RUST", "NODE_JS"]
MAX_FRAME_BYTES = 16 * 1024 * 1024
ANSWER_S = 60.0  # how long an answer is waited for, where nothing else is said
LONG_MS = 600000  # longer than that: who parks a request so long sees what ended the wait


class ProtocolError(Exception):
    """The peer sent bytes that are no frame."""


class Closed(Exception):
    """The peer closed the connection."""


# ---- frames --------------------------------------------------------------------------------


@dataclass
class Frame:
    """One request or answer. `code` is a request code or a response code."""

    code: int
    ext: dict = field(default_factory=dict)
    body: bytes = b""
    opaque: int = 0
    flag: int = 0
    remark: str = ""
    language: str = "OTHER"
    version: int = JAVA_5_3_3
    kind: int = JSON
    header: bytes = b""  # as received

    def json(self):
        return parse_json(self.body)


def text_of(value):
    """The text form of a header field."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def encode(frame):
    """The bytes of a frame. Fields whose value is None are left out."""
    ext = {k: text_of(v) for k, v in frame.ext.items() if v is not None}
    if frame.kind == JSON:
        head = {"code": frame.code, "language": frame.language, "version": frame.version,
                "opaque": frame.opaque, "flag": frame.flag, "extFields": ext,
                "serializeTypeCurrentRPC": "JSON"}
        if frame.remark:
            head["remark"] = frame.remark
        header = json.dumps(head, separators=(",", ":")).encode()
    else:
        pairs = b""
        for key, value in ext.items():
            k, v = key.encode(), value.encode()
            pairs += struct.pack(">h", len(k)) + k + struct.pack(">i", len(v)) + v
        remark = frame.remark.encode()
        header = struct.pack(">hBhii", frame.code, LANGUAGES.index(frame.language), frame.version,
                             frame.opaque, frame.flag)
        header += struct.pack(">i", len(remark)) + remark + struct.pack(">i", len(pairs)) + pairs
    return raw_frame(header, frame.body, frame.kind)


def raw_frame(header, body=b"", kind=JSON):
    return struct.pack(">ii", 4 + len(header) + len(body), (kind << 24) | len(header)) + header + body


def decode(data):
    """A frame from the bytes that follow its length field."""
    if len(data) < 4:
        raise ProtocolError("frame of %d bytes" % len(data))
    word = struct.unpack(">I", data[:4])[0]
    kind, size = word >> 24, word & 0xFFFFFF
    header, body = data[4:4 + size], data[4 + size:]
    if len(header) != size:
        raise ProtocolError("header of %d bytes in a frame of %d" % (size, len(data)))
    if kind == JSON:
        head = json.loads(header)
        ext = head.get("extFields") or {}
        for key, value in ext.items():
            if not isinstance(value, str):
                raise ProtocolError("ext field %s is not a string: %r" % (key, value))
        return Frame(head["code"], ext, body, head["opaque"], head["flag"], head.get("remark") or "",
                     head["language"], head["version"], kind, header)
    if kind != BINARY:
        raise ProtocolError("serialize type %d" % kind)
    code, language, version, opaque, flag, size = struct.unpack_from(">hBhiii", header)
    at = 17 + size
    remark = header[17:at].decode()
    end = at + 4 + struct.unpack_from(">i", header, at)[0]
    at += 4
    ext = {}
    while at < end:
        size = struct.unpack_from(">h", header, at)[0]
        key = header[at + 2:at + 2 + size].decode()
        at += 2 + size
        size = struct.unpack_from(">i", header, at)[0]
        ext[key] = header[at + 4:at + 4 + size].decode()
        at += 4 + size
    if at != len(header) or end != len(header):
        raise ProtocolError("ext fields end at %d of %d" % (at, len(header)))
    return Frame(code, ext, body, opaque, flag, remark, LANGUAGES[language], version, kind, header)


class Connection:
    """A connection to a server: answers by opaque, requests of the server kept aside in `pushed`."""

    def __init__(self, address, kind=JSON, version=JAVA_5_3_3, timeout=ANSWER_S, language="OTHER",
                 accepted=None, tls=None, begin=b""):
        """accepted: the socket of a connection that a server opened to us. tls: an ssl.SSLContext.
        begin: bytes that are sent before everything else, TLS included."""
        self.address = address if isinstance(address, tuple) else split_address(address)
        self.kind, self.version, self.language, self.timeout = kind, version, language, timeout
        self.socket = accepted or socket.create_connection(self.address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if begin:
            self.socket.sendall(begin)
        if tls:
            try:
                self.socket = tls.wrap_socket(self.socket)
            except OSError:
                self.socket.close()
                raise
        self.buffer = bytearray()
        self.answers = {}
        self.pushed = deque()
        self.opaque = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def local_address(self):
        return "%s:%d" % self.socket.getsockname()[:2]

    def send_raw(self, data):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def send(self, code, ext=None, body=b"", flag=0, kind=None, version=None, language=None):
        """Sends a request and gives its opaque; the answer is fetched with receive()."""
        self.opaque += 1
        if isinstance(body, (dict, list)):
            body = json.dumps(body, separators=(",", ":")).encode()
        self.send_raw(encode(Frame(code, ext or {}, body, self.opaque, flag, "",
                                   language or self.language, version or self.version,
                                   self.kind if kind is None else kind)))
        return self.opaque

    def call(self, code, ext=None, body=b"", timeout=None, **how):
        """A request and its answer."""
        return self.receive(self.send(code, ext, body, **how), timeout)

    def oneway(self, code, ext=None, body=b"", **how):
        self.send(code, ext, body, ONEWAY, **how)

    def receive(self, opaque, timeout=None):
        """The answer to a request sent before; whatever else arrives meanwhile is kept."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while opaque not in self.answers:
            self._keep(self._read_frame(deadline))
        return self.answers.pop(opaque)

    def receive_push(self, timeout=None, code=None):
        """The next request of the server (of this code)."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            for frame in self.pushed:
                if code is None or frame.code == code:
                    self.pushed.remove(frame)
                    return frame
            self._keep(self._read_frame(deadline))

    def answer(self, request, code=0, ext=None, body=b""):
        """Answers a request of the server."""
        self.send_raw(encode(Frame(code, ext or {}, body, request.opaque, RESPONSE, "",
                                   self.language, self.version, self.kind)))

    def wait_closed(self, timeout=None):
        """Reads until the server closes; gives what came before that."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        got = bytearray()
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return bytes(got)
            if not data:
                return bytes(got)
            got += data

    def _keep(self, frame):
        if frame.flag & RESPONSE:
            self.answers[frame.opaque] = frame
        else:
            self.pushed.append(frame)

    def _read_frame(self, deadline):
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack_from(">i", self.buffer)[0]
                if not 4 <= size <= MAX_FRAME_BYTES:
                    raise ProtocolError("frame length %d" % size)
                if len(self.buffer) >= 4 + size:
                    data = bytes(self.buffer[4:4 + size])
                    del self.buffer[:4 + size]
                    return decode(data)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer from %s:%d" % self.address)
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(262144)
            except ConnectionError as error:
                raise Closed(str(error)) from error
            if not data:
                raise Closed("%s:%d" % self.address)
            self.buffer += data


def split_address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


# ---- JSON as the reference writes it ---------------------------------------------------------


class _JsonReader:
    """JSON, and beside it bare integer keys and objects as keys (given as frozensets of pairs)."""

    SPACE = " \t\r\n"

    def __init__(self, text):
        self.text, self.at = text, 0
        self.plain = json.JSONDecoder()

    def read(self):
        value = self.value()
        if self.peek():
            raise ValueError("text after the value at %d" % self.at)
        return value

    def peek(self):
        while self.at < len(self.text) and self.text[self.at] in self.SPACE:
            self.at += 1
        return self.text[self.at:self.at + 1]

    def expect(self, char):
        if self.peek() != char:
            raise ValueError("no %r at %d: %r" % (char, self.at, self.text[self.at:self.at + 20]))
        self.at += 1

    def value(self):
        char = self.peek()
        if char == "{":
            return self.object()
        if char == "[":
            return self.list()
        value, self.at = self.plain.raw_decode(self.text, self.at)
        return value

    def list(self):
        self.expect("[")
        items = []
        while self.peek() != "]":
            if items:
                self.expect(",")
            items.append(self.value())
        self.at += 1
        return items

    def object(self):
        self.expect("{")
        found = {}
        while self.peek() != "}":
            if found:
                self.expect(",")
            key = self.value()
            self.expect(":")
            found[frozenset(key.items()) if isinstance(key, dict) else key] = self.value()
        self.at += 1
        return found


def parse_json(data):
    """A body. Integer keys are ints when they came bare, and text when they came quoted."""
    return _JsonReader(data.decode() if isinstance(data, (bytes, bytearray)) else data).read()


def queue_key(broker, topic, queue_id):
    """The key under which parse_json() gives the entry of a queue."""
    return frozenset({"brokerName": broker, "topic": topic, "queueId": queue_id}.items())


# ---- messages ----------------------------------------------------------------------------------


MAGIC_V1, MAGIC_V2 = -626843481, -626843477
COMPRESSED, BORN_V6, STORE_V6 = 0x1, 0x10, 0x20


@dataclass
class Record:
    """A stored message, as pulls and queries give it."""

    total_bytes: int
    magic: int
    body_crc: int
    queue_id: int
    flag: int
    queue_offset: int
    phy_offset: int
    sys_flag: int
    born_ms: int
    born_host: str
    store_ms: int
    store_host: str
    reconsume_times: int
    prepared_offset: int
    body: bytes
    topic: str
    properties: dict
    property_text: str

    @property
    def tag(self):
        return self.properties.get("TAGS")

    @property
    def msg_id(self):
        return offset_msg_id(self.store_host, self.phy_offset)


def decode_records(data):
    """The records in the body of an answer; checks the CRC of each body."""
    at, records = 0, []
    while at < len(data):
        record, size = _decode_record(data, at)
        if record.body and zlib.crc32(record.body) & 0x7FFFFFFF != record.body_crc:
            raise ProtocolError("CRC of the record at %d" % record.phy_offset)
        records.append(record)
        at += size
    return records


def _decode_record(data, start):
    size, magic, crc, queue_id, flag, queue_offset, phy_offset, sys_flag, born_ms = \
        struct.unpack_from(">iiiiiqqiq", data, start)
    if magic not in (MAGIC_V1, MAGIC_V2) or start + size > len(data):
        raise ProtocolError("no record at %d: magic %d, %d bytes" % (start, magic, size))
    at = start + 48
    born_host, at = _decode_host(data, at, sys_flag & BORN_V6)
    store_ms = struct.unpack_from(">q", data, at)[0]
    store_host, at = _decode_host(data, at + 8, sys_flag & STORE_V6)
    reconsume_times, prepared, body_size = struct.unpack_from(">iqi", data, at)
    at += 16
    body = bytes(data[at:at + body_size])
    at += body_size
    if magic == MAGIC_V1:
        topic_size = data[at]
        at += 1
    else:
        topic_size = struct.unpack_from(">h", data, at)[0]
        at += 2
    topic = data[at:at + topic_size].decode()
    at += topic_size
    text_size = struct.unpack_from(">h", data, at)[0]
    text = data[at + 2:at + 2 + text_size].decode()
    at += 2 + text_size
    if at != start + size:
        raise ProtocolError("record of %d bytes ends after %d" % (size, at - start))
    return Record(size, magic, crc, queue_id, flag, queue_offset, phy_offset, sys_flag, born_ms,
                  born_host, store_ms, store_host, reconsume_times, prepared, body, topic,
                  parse_properties(text), text), size


def _decode_host(data, at, is_v6):
    size = 16 if is_v6 else 4
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    host = socket.inet_ntop(family, bytes(data[at:at + size]))
    return "%s:%d" % (host, struct.unpack_from(">i", data, at + size)[0]), at + size + 4


def offset_msg_id(store_host, phy_offset):
    """The message id a broker gives: address, port and physical offset in hex."""
    host, port = split_address(store_host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (socket.inet_pton(family, host) + struct.pack(">iq", port, phy_offset)).hex().upper()


def phy_offset_of(msg_id):
    return int(msg_id[-16:], 16)


def parse_properties(text):
    pairs = (pair.split("\x01", 1) for pair in text.split("\x02") if "\x01" in pair)
    return dict(pairs)


def property_text(properties):
    return "".join("%s\x01%s\x02" % pair for pair in properties.items())


def encode_batch(messages):
    """The body of a batch from (body, properties) pairs."""
    out = b""
    for body, properties in messages:
        text = property_text(properties).encode()
        out += struct.pack(">iiiii", 22 + len(body) + len(text), 0, 0, 0, len(body)) + body
        out += struct.pack(">h", len(text)) + text
    return out


def tag_hash(tag):
    """Java's String.hashCode, which is what tag filters compare."""
    units = tag.encode("utf-16-be")
    value = 0
    for i in range(0, len(units), 2):
        value = (31 * value + (units[i] << 8 | units[i + 1])) & 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


# ---- typed requests ------------------------------------------------------------------------------


LETTERS = {"producerGroup": "a", "topic": "b", "defaultTopic": "c", "defaultTopicQueueNums": "d",
           "queueId": "e", "sysFlag": "f", "bornTimestamp": "g", "flag": "h", "properties": "i",
           "reconsumeTimes": "j", "unitMode": "k", "maxReconsumeTimes": "l", "batch": "m",
           "brokerName": "n"}


def now_ms():
    return time.time_ns() // 1_000_000


def topic_fields(topic, queues=4, perm=6, **more):
    """The header of a request that makes a topic; `more` overrides and adds."""
    return {"topic": topic, "defaultTopic": "TBW102", "readQueueNums": queues, "writeQueueNums": queues, "perm": perm,
            "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": False, **more}


def send_fields(topic, queue_id=0, properties=None, long_names=False, **more):
    """The header of a send, with letters or with long names; `more` overrides and adds."""
    fields = {"producerGroup": "flow_producer", "topic": topic, "defaultTopic": "TBW102",
              "defaultTopicQueueNums": 4, "queueId": queue_id, "sysFlag": 0,
              "bornTimestamp": now_ms(), "flag": 0,
              "properties": property_text(properties or {}), "reconsumeTimes": 0,
              "unitMode": False, "batch": False}
    fields.update(more)
    if long_names:
        return fields
    return {LETTERS.get(name, name): value for name, value in fields.items()}


def pull_fields(group, topic, queue_id=0, offset=0, count=32, commit=None, suspend_ms=None,
                subscription="*", sub_version=0, **more):
    """The header of a pull. commit: offset to commit; suspend_ms: how long the broker may hold it;
    subscription None: the one of the group's heartbeat is used."""
    sys_flag = (1 if commit is not None else 0) | (2 if suspend_ms is not None else 0) \
        | (4 if subscription is not None else 0)
    fields = {"consumerGroup": group, "topic": topic, "queueId": queue_id, "queueOffset": offset,
              "maxMsgNums": count, "sysFlag": sys_flag, "commitOffset": commit or 0,
              "suspendTimeoutMillis": suspend_ms or 0, "subVersion": sub_version,
              "subscription": subscription, "expressionType": "TAG"}
    fields.update(more)
    return fields


def subscription(topic, expression="*", version=None, kind="TAG"):
    tags = [] if expression in ("*", "") or kind != "TAG" else \
        [tag.strip() for tag in expression.split("||")]
    return {"classFilterMode": False, "topic": topic, "subString": expression, "tagsSet": tags,
            "codeSet": [tag_hash(tag) for tag in tags], "expressionType": kind,
            "subVersion": now_ms() if version is None else version}


def heartbeat_body(client_id, producers=(), consumers=None, model="CLUSTERING"):
    """consumers: group -> list of subscription()."""
    groups = [{"groupName": group, "consumeType": "CONSUME_PASSIVELY", "messageModel": model,
               "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "subscriptionDataSet": subs,
               "unitMode": False} for group, subs in (consumers or {}).items()]
    return {"clientID": client_id, "producerDataSet": [{"groupName": name} for name in producers],
            "consumerDataSet": groups, "heartbeatFingerprint": 0, "withoutSub": False}
