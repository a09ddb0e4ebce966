"""The load of the soak: senders with intended times, readers that come and go, transactions, pops.

Each sender keeps to its own times whatever the broker does (an open loop): a latency is counted from the
moment the message was due. While there is no broker, what was due is counted as `unsent`.
"""

import asyncio
import random
import sys
import time
from pathlib import Path

import mini_client as mq

from .ledger import Later, Pops, Queue, body_of
from .link import EchoLink, Link

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "flow"))
from pops import ack_fields, pop_fields, popped_of  # noqa: E402

SEND, SEND_BATCH, PULL, HEARTBEAT, END, CHECK, ACK, POP = 310, 320, 11, 34, 37, 39, 200051, 200050
QUERY_OFFSET, MIN_OFFSET, MAX_OFFSET, PUT_TOPIC, UNREGISTER = 14, 31, 30, 17, 35
OK, FLUSH_TIMEOUT, NOT_FOUND, RETRY_AT_ONCE, MOVED = 0, 10, 19, 20, 21
COMMIT, ROLLBACK = 8, 12
MOST_UNDER_WAY = 4000
PRODUCERS, READERS = "soak_producers", "soak_readers"
SIZES = (100, 300, 300, 1000, 1000, 2000, 4000)
DELAYS = {1: 1000, 2: 5000, 3: 10000, 4: 30000}  # level -> ms
BATCH = 8


def now_s():
    return time.monotonic()


class Client:
    """A link that comes back when the broker does."""

    def __init__(self, world, pushed=None, kind=mq.JSON, client_id=None, producers=(), consumers=None):
        self.world, self.pushed, self.kind = world, pushed, kind
        self.client_id, self.producers, self.consumers = client_id, producers, consumers
        self.link = None

    async def ready(self):
        """The open link; waits for the broker."""
        while not (self.link and self.link.is_open):
            try:
                self.link = await Link.open(self.world.address, kind=self.kind, pushed=self.pushed)
                await self.beat()
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.1)
        return self.link

    async def beat(self):
        if self.client_id:
            await self.link.call(HEARTBEAT, body=mq.json.dumps(mq.heartbeat_body(
                self.client_id, self.producers, self.consumers)).encode())

    async def keep_beating(self):
        while True:
            await asyncio.sleep(20)
            if self.link and self.link.is_open:
                await self.beat()

    def close(self):
        if self.link:
            self.link.close()


class Sender:
    """Sends one kind at a rate; what to send and what the answer means is the kind's."""

    def __init__(self, world, rate, fill, answered, code=SEND, latency=None, pushed=None, **client):
        """fill(number): fields, body, memory. answered(number, memory, frame)."""
        self.world, self.rate, self.fill, self.answered, self.code = world, rate, fill, answered, code
        self.latency = latency
        self.client = Client(world, pushed, **client)
        self.draw = random.Random(id(self))
        self.number = 0

    async def run(self):
        due = now_s()
        while not self.world.is_ending:
            due += self.draw.expovariate(self.rate)
            if due > now_s() + 0.0005:
                await asyncio.sleep(due - now_s())
            link = self.client.link
            if link is None or not link.is_open:
                before = now_s()
                link = await self.client.ready()
                self.world.judge.count("unsent", int((now_s() - before) * self.rate))
                due = now_s()
            if link.is_held or len(link.waiting) > MOST_UNDER_WAY:
                self.world.judge.count("unsent")
                continue
            self.send_one(link, due)

    def send_one(self, link, due):
        self.number += 1
        number = self.number
        fields, body, memory = self.fill(number)

        def done(frame):
            if frame is not None and self.latency:
                self.world.measured(self.latency, due, now_s(), frame.code)
            if frame is None:
                self.world.judge.count("unanswered")
            elif frame.code not in (OK, FLUSH_TIMEOUT):
                self.world.judge.count("refused")
                self.world.refusals.add((frame.code, frame.remark[:90]))
            self.answered(number, memory, frame)

        link.send(self.code, fields, body, done)


def place_of(frame):
    return int(frame.ext["queueId"]), int(frame.ext["queueOffset"])


class Plain:
    """A topic whose messages stay where they are put: senders and a reader per queue."""

    def __init__(self, world, kind, queues):
        self.world, self.kind, self.topic = world, kind, "soak_" + kind
        self.queues = [Queue(world.judge, kind, self.topic, i) for i in range(queues)]
        self.draw = random.Random(kind)

    def properties(self, number):
        """Every second message does not wait for the disk."""
        return {"KEYS": "k%d" % number, "TAGS": "t%d" % (number % 3), "WAIT": "false" if number % 2 else "true"}

    def fill(self, number):
        queue = number // 2 % len(self.queues)
        body = body_of(self.kind, number, self.draw.choice(SIZES))
        return mq.send_fields(self.topic, queue, self.properties(number), defaultTopicQueueNums=len(self.queues)), \
            body, queue

    def answered(self, number, queue, frame):
        if frame is None or frame.code == FLUSH_TIMEOUT:
            return
        if frame.code != OK:
            self.queues[queue].refused.put(number)
            return
        queue, place = place_of(frame)
        self.queues[queue].acknowledged(place, number, mq.phy_offset_of(frame.ext["msgId"]), now_s())

    def tasks(self, rate):
        sender = Sender(self.world, rate, self.fill, self.answered)
        return [sender.run()] + [Reader(self.world, self.topic, i, queue).run() for i, queue in enumerate(self.queues)]


class Measured(Plain):
    """Two senders, one whose answers wait for the disk and one whose answers do not, each measured."""

    def tasks(self, rate):
        found = []
        for half, (wait, name) in enumerate((("true", "sync"), ("false", "async"))):
            sender = Sender(self.world, rate / 2, self.make_fill(half, wait), self.answered, latency=name)
            found.append(sender.run())
        return found + [Reader(self.world, self.topic, i, queue).run() for i, queue in enumerate(self.queues)]

    def make_fill(self, half, wait):
        def fill(count):
            number = count * 2 + half
            queue = half * len(self.queues) // 2 + count % (len(self.queues) // 2)
            properties = {"KEYS": "k%d" % number, "TAGS": "t%d" % (number % 3), "WAIT": wait}
            body = body_of(self.kind, number, self.draw.choice(SIZES))
            return mq.send_fields(self.topic, queue, properties), body, (queue, number)
        return fill

    def answered(self, _, memory, frame):
        super().answered(memory[1], memory[0], frame)


class Batches(Plain):
    """Several messages in one send."""

    def fill(self, number):
        queue = number % len(self.queues)
        messages = [(body_of(self.kind, number * BATCH + i, 200), {"KEYS": "b%d" % number}) for i in range(BATCH)]
        return mq.send_fields(self.topic, queue, batch=True), mq.encode_batch(messages), queue

    def answered(self, number, queue, frame):
        if frame is None or frame.code == FLUSH_TIMEOUT:
            return
        if frame.code != OK:
            for i in range(BATCH):
                self.queues[queue].refused.put(number * BATCH + i)
            return
        queue, place = place_of(frame)
        for i, msg_id in enumerate(frame.ext["msgId"].split(",")):
            self.queues[queue].acknowledged(place + i, number * BATCH + i, mq.phy_offset_of(msg_id), now_s())

    def tasks(self, rate):
        sender = Sender(self.world, rate / BATCH, self.fill, self.answered, code=SEND_BATCH, kind=mq.BINARY)
        return [sender.run()] + [Reader(self.world, self.topic, i, queue).run() for i, queue in enumerate(self.queues)]


class LaterQueue:
    """Where messages of a `Later` come out: read like a queue, judged by number."""

    def __init__(self, later):
        self.later, self.next = later, 0

    def delivered(self, record, _):
        self.later.delivered(record)
        self.next = max(self.next, record.queue_offset + 1)

    def skip_to(self, place):
        self.later.judge.count("places_skipped", max(place - self.next, 0))
        self.next = max(self.next, place)


class Delayed:
    """Delay levels, or timers with a time of their own."""

    def __init__(self, world, kind, queues):
        self.world, self.kind, self.topic, self.queues = world, kind, "soak_" + kind, queues
        self.later = Later(world.judge, kind, may_repeat=True)
        self.draw = random.Random(kind)

    def fill(self, number):
        properties = {"UNIQ_KEY": "%s%028X" % (self.kind[:4], number), "WAIT": "false" if number % 2 else "true"}
        if self.kind == "timer":
            due_ms = mq.now_ms() + self.draw.choice((300, 2000, 10000, 30000)) + self.draw.randrange(1500)
            properties["TIMER_DELIVER_MS"] = due_ms
        else:
            level = self.draw.choice(list(DELAYS))
            # counted from the time of the pass of the loop that stores it, which on a busy machine may have begun
            # long before the message was sent; a stop may lie between
            due_ms = mq.now_ms() + DELAYS[level] - (10000 if self.world.fault_since else 3000)
            properties["DELAY"] = level
        self.later.sent(number, due_ms)
        return mq.send_fields(self.topic, number % self.queues, properties), \
            body_of(self.kind, number, self.draw.choice(SIZES)), None

    def answered(self, number, _, frame):
        if frame is None or frame.code == FLUSH_TIMEOUT:
            return
        if frame.code != OK:
            self.later.refused(number)
        else:
            self.later.acknowledged(number, mq.phy_offset_of(frame.ext["msgId"]))

    def tasks(self, rate):
        sender = Sender(self.world, rate, self.fill, self.answered)
        return [sender.run()] + [Reader(self.world, self.topic, i, LaterQueue(self.later)).run()
                                 for i in range(self.queues)]


class Transactions(Delayed):
    """Halves; most are ended at once, the others when the broker asks. How is known from the number."""

    def __init__(self, world, kind, queues):
        super().__init__(world, kind, queues)
        self.later.may_repeat = False
        self.sender = None

    @staticmethod
    def decision(number):
        return ROLLBACK if number % 4 == 3 else COMMIT

    def fill(self, number):
        if self.decision(number) == ROLLBACK:
            self.later.refused(number)
        properties = {"TRAN_MSG": "true", "PGROUP": PRODUCERS, "UNIQ_KEY": "%032X" % number}
        return mq.send_fields(self.topic, number % self.queues, properties, sysFlag=4, producerGroup=PRODUCERS), \
            body_of(self.kind, number, self.draw.choice(SIZES)), None

    def answered(self, number, _, frame):
        if frame is None or frame.code == FLUSH_TIMEOUT:
            return
        if frame.code != OK:
            self.later.refused(number)
            return
        phy_offset = mq.phy_offset_of(frame.ext["msgId"])
        if self.decision(number) == COMMIT:
            self.later.acknowledged(number, phy_offset)
        if self.draw.random() < 0.8:
            self.end(number, frame.ext["queueOffset"], phy_offset, False)

    def end(self, number, half_offset, phy_offset, is_check):
        link = self.sender.client.link
        if not link.is_open:
            return
        fields = {"topic": self.topic, "producerGroup": PRODUCERS, "tranStateTableOffset": half_offset,
                  "commitLogOffset": phy_offset, "commitOrRollback": self.decision(number),
                  "fromTransactionCheck": is_check, "msgId": "%032X" % number, "transactionId": "%032X" % number}
        newest = self.later.judge.newest_phy

        def done(frame):
            if frame is not None and frame.code == OK and number in self.later.waiting:
                self.later.waiting[number] = (0, newest)  # the message itself is behind all that was there
            self.later.judge.count("txn_ended" if frame is not None and frame.code == OK else "txn_end_failed")

        link.send(END, fields, b"", done)

    def asked(self, frame):
        if frame.code != CHECK:
            return
        for record in mq.decode_records(frame.body):
            self.later.judge.count("txn_checks")
            if self.draw.random() < 0.7:
                self.end(int(frame.ext["transactionId"], 16), frame.ext["tranStateTableOffset"],
                         frame.ext["commitLogOffset"], True)

    def tasks(self, rate):
        self.sender = Sender(self.world, rate, self.fill, self.answered, pushed=self.asked, client_id="soak@producer",
                             producers=[PRODUCERS])
        return [self.sender.run(), self.sender.client.keep_beating()] + [
            Reader(self.world, self.topic, i, LaterQueue(self.later)).run() for i in range(self.queues)]


class Reader:
    """A consumer of one queue that commits, goes away without a word and comes back as another client, from the
    committed offset: never ahead of what was committed. After a crash that is up to some seconds old."""

    def __init__(self, world, topic, queue_id, queue):
        self.world, self.topic, self.queue_id, self.queue = world, topic, queue_id, queue
        self.draw = random.Random("%s%d" % (topic, queue_id))
        self.group = "%s_%s" % (READERS, topic)
        self.most_committed = 0

    async def run(self):
        lives = 0
        while not self.world.is_over:
            lives += 1
            client = Client(self.world, client_id="soak@%s-%d-%d" % (self.topic, self.queue_id, lives),
                            consumers={self.group: [mq.subscription(self.topic)]})
            await client.ready()
            await self.live(client.link, now_s() + self.draw.uniform(10, 60))
            client.close()

    async def live(self, link, until):
        at = await self.first_place(link)
        while link.is_open and at is not None and now_s() < until and not self.world.is_over:
            commit = min(self.queue.next, at)
            self.most_committed = max(self.most_committed, commit)
            answer = await link.call(PULL, mq.pull_fields(self.group, self.topic, self.queue_id, at,
                                                          commit=commit, suspend_ms=5000), timeout=40)
            if answer is None:
                return
            at = await self.take(link, answer, at)

    async def first_place(self, link):
        """What is committed; a few steps back now and then, so that what was read is read again."""
        answer = await link.call(QUERY_OFFSET, {"consumerGroup": self.group, "topic": self.topic,
                                                "queueId": self.queue_id})
        if answer is None:
            return None
        committed = int(answer.ext["offset"]) if answer.code == OK else 0
        if committed > self.most_committed:
            self.world.judge.violation("committed offset from nowhere", topic=self.topic, queue=self.queue_id,
                                       committed=committed, most=self.most_committed)
        # whatever was acknowledged before a crash is looked at again
        return max(min(committed, self.queue.next - self.draw.choice((0, 100, 600))), 0)

    async def take(self, link, answer, at):
        """Gives the next place."""
        if answer.code == OK:
            for record in mq.decode_records(answer.body):
                if record.queue_offset != at:
                    self.world.judge.violation("gap in a queue", topic=self.topic, queue=self.queue_id, wanted=at,
                                               found=record.queue_offset)
                self.queue.delivered(record, now_s())
                at = record.queue_offset + 1
            return at
        if answer.code in (NOT_FOUND, RETRY_AT_ONCE, MOVED):
            return await self.look(link, answer, at)
        self.world.judge.count("pull_code_%d" % answer.code)
        await asyncio.sleep(0.2)
        return at

    async def look(self, link, answer, at):
        """Nothing at this place: the queue ends here, or begins later."""
        begin, end = int(answer.ext["minOffset"]), int(answer.ext["maxOffset"])
        if at < begin:
            self.world.look_at_log()
            self.queue.skip_to(begin)
            return begin
        if at > end:
            self.world.judge.violation("a queue became shorter", topic=self.topic, queue=self.queue_id, read_to=at,
                                       end=end)
            return end
        if answer.code != NOT_FOUND:
            await asyncio.sleep(0.05)
        return at


class PopLoad:
    """Sends to a topic that is popped by two consumers; some messages are left to come back."""

    topic, group = "soak_pop", "soak_pop_group"

    def __init__(self, world, queues):
        self.world, self.queues = world, queues
        self.pops = Pops(world.judge)
        self.draw = random.Random(5)

    def fill(self, number):
        properties = {"WAIT": "false" if number % 2 else "true", "UNIQ_KEY": "pop%029X" % number}
        return mq.send_fields(self.topic, number % self.queues, properties), \
            body_of("pop", number, self.draw.choice(SIZES)), None

    def answered(self, number, _, frame):
        if frame is None or frame.code == FLUSH_TIMEOUT:
            return
        if frame.code != OK:
            self.pops.refused(number)
        else:
            self.pops.acknowledged(number, mq.phy_offset_of(frame.ext["msgId"]))

    async def consume(self, number):
        lives = 0
        while not self.world.is_over:
            lives += 1
            client = Client(self.world, client_id="soak@pop-%d-%d" % (number, lives),
                            consumers={self.group: [mq.subscription(self.topic)]})
            link = await client.ready()
            until = now_s() + self.draw.uniform(10, 60)
            while link.is_open and now_s() < until and not self.world.is_over:
                await self.pop_once(link)
            client.close()

    async def pop_once(self, link):
        answer = await link.call(POP, pop_fields(self.group, self.topic, invisible_ms=self.draw.choice((4000, 15000)),
                                                 poll_ms=3000), timeout=40)
        if answer is None or answer.code in (209, 210):
            return
        if answer.code != OK:
            self.world.judge.count("pop_code_%d" % answer.code)
            await asyncio.sleep(0.2)
            return
        for popped in popped_of(answer, self.group, self.world.broker_name):
            _, pop_time, invisible = (int(part) for part in popped.handle.split(" ")[:3])
            self.pops.popped(popped, pop_time + invisible)
            if self.draw.random() < 0.95:
                self.ack(link, popped, pop_time + invisible)

    def ack(self, link, popped, until_ms):
        number = int(popped.body.split(b":")[1])

        def done(frame):
            if frame is not None and frame.code == OK:
                self.pops.acked(number, mq.now_ms() + 500 < until_ms)
            elif frame is None:
                self.pops.ack_unanswered(number)
            else:
                self.world.judge.count("ack_code_%d" % frame.code)

        link.send(ACK, ack_fields(self.group, popped), b"", done)

    def tasks(self, rate):
        sender = Sender(self.world, rate, self.fill, self.answered)
        return [sender.run(), self.consume(1), self.consume(2)]


async def measure_echo(world, port, rate=20):
    """What the machine and this process add: the same bytes there and back through another process."""
    _, link = await asyncio.get_running_loop().create_connection(EchoLink, "127.0.0.1", port)
    block = mq.encode(mq.Frame(SEND, mq.send_fields("soak_echo", 0, {"KEYS": "k1"}), bytes(1000), 1))
    draw = random.Random(3)
    due = now_s()
    while not world.is_over:
        due += draw.expovariate(rate)
        if due > now_s() + 0.0005:
            await asyncio.sleep(due - now_s())
        back = asyncio.Event()
        link.send(block, back.set)
        intended = due
        await back.wait()
        world.measured("echo", intended, now_s(), OK)
    link.transport.close()
