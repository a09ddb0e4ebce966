"""Pops, acks and what stands in their headers, for the tests of the pop family."""

import base64
from dataclasses import dataclass

import mini_client as mq

POP, ACK, PEEK, CHANGE, NOTIFY, POLLING, BATCH_ACK = 200050, 200051, 200052, 200053, 200054, 200055, 200151
FOUND, POLLING_FULL, POLLING_TIMEOUT = 0, 209, 210


@dataclass
class Popped:
    """A message and its receipt handle."""

    record: mq.Record
    topic: str  # to be named in an ack
    handle: str

    @property
    def body(self):
        return self.record.body


def pop_fields(group, topic, queue=-1, count=32, invisible_ms=60000, poll_ms=0, init=0, **more):
    fields = {"consumerGroup": group, "topic": topic, "queueId": queue, "maxMsgNums": count,
              "invisibleTime": invisible_ms, "pollTime": poll_ms, "bornTime": mq.now_ms(),
              "initMode": init, "expType": "TAG", "exp": "*", "order": False}
    fields.update(more)
    return fields


def starts_of(answer):
    """(T, queue) -> where its checkpoint begins."""
    items = [item.split(" ") for item in answer.ext["startOffsetInfo"].split(";") if item]
    return {(int(kind), int(queue)): int(start) for kind, queue, start in items}


def offsets_of(answer):
    """(T, queue) -> the offsets of its messages."""
    items = [item.split(" ") for item in answer.ext["msgOffsetInfo"].split(";") if item]
    return {(int(kind), int(queue)): [int(o) for o in offsets.split(",")] for kind, queue, offsets in items}


def popped_of(answer, group, broker_name="broker-a"):
    """The messages of an answer with their handles, made as clients make them."""
    starts, found = starts_of(answer), []
    for record in mq.decode_records(answer.body):
        handle = record.properties.get("POP_CK")
        if handle is None:
            handle = "%d %s %s %s 0 %s %d %d" % (
                starts[0, record.queue_id], answer.ext["popTime"], answer.ext["invisibleTime"],
                answer.ext["reviveQid"], broker_name, record.queue_id, record.queue_offset)
            topic = record.topic
        else:
            sign = {"1": "_", "2": "+"}[handle.split(" ")[4]]
            topic = "%RETRY%" + group + sign + record.topic
        found.append(Popped(record, topic, handle))
    return found


def pop(connection, group, topic, expect=(FOUND, POLLING_TIMEOUT), timeout=None, broker_name="broker-a",
        **more):
    """Pops; gives the messages, none when there are none."""
    answer = connection.call(POP, pop_fields(group, topic, **more), timeout=timeout)
    assert answer.code in expect, (answer.code, answer.remark)
    return popped_of(answer, group, broker_name) if answer.code == FOUND else []


def ack_fields(group, popped, **more):
    fields = {"consumerGroup": group, "topic": popped.topic, "queueId": popped.record.queue_id,
              "extraInfo": popped.handle, "offset": popped.record.queue_offset}
    fields.update(more)
    return fields


def ack(connection, group, popped, **more):
    return connection.call(ACK, ack_fields(group, popped, **more))


def change(connection, group, popped, invisible_ms, **more):
    """Gives the answer, and the message under its new handle."""
    answer = connection.call(CHANGE, ack_fields(group, popped, invisibleTime=invisible_ms, **more))
    if answer.code != 0:
        return answer, None
    parts = popped.handle.split(" ")
    start = popped.record.queue_offset if answer.ext["reviveQid"] != "999" else parts[0]
    handle = " ".join([str(start), answer.ext["popTime"], answer.ext["invisibleTime"],
                       answer.ext["reviveQid"], *parts[4:]])
    return answer, Popped(popped.record, popped.topic, handle)


def altered(handle, part, value):
    """The handle with another value for one of its parts, or with what value() makes of the one it has."""
    parts = handle.split(" ")
    parts[part] = str(value(int(parts[part])) if callable(value) else value)
    return " ".join(parts)


def batch_entry(group, topic, handle, offsets):
    """An entry of a batch ack for messages of one pop. topic: without the retry part."""
    start, pop_time, invisible, revive, kind, _, queue = handle.split(" ")[:7]
    bits = 0
    for offset in offsets:
        bits |= 1 << (offset - int(start))
    raw = bits.to_bytes(bits.bit_length() // 8 + 1, "little")
    return {"c": group, "t": topic, "r": kind, "so": int(start), "q": int(queue), "rq": int(revive),
            "pt": int(pop_time), "it": int(invisible), "b": base64.b64encode(raw).decode()}
