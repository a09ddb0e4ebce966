"""Writes messages of every kind a broker takes, and knows which of them were acknowledged, and where.

Users      tests that look at a store directory afterwards: after damage, after a kill, by another broker.
Threads    a Load belongs to the thread that steps it.
"""

import random
import sys
from pathlib import Path

import mini_client as mq

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from pops import ack, pop  # noqa: E402

SEND, BATCH, PULL, SEND_BACK, END, HEARTBEAT = 310, 320, 11, 36, 37, 34
PUT_TOPIC, PUT_GROUP, UPDATE_OFFSET, SET_MODE = 17, 200, 15, 401
COMMIT, ROLLBACK = 8, 12
PLAIN, POPPED, ORDERED, BULK = "kinds-plain", "kinds-popped", "kinds-ordered", "kinds-bulk"
COMPACTED, LIGHT = "kinds-compacted", ("%LMQ%kinds-a", "%LMQ%kinds-b")
GROUP, PRODUCERS = "kinds_group", "kinds_producers"
QUEUES = 2


class Load:
    """`acked`: (topic, queue, queue offset) -> body of a message that was answered with SEND_OK.
    `keys`: its unique key -> the same place. What is not known by place: `delayed` bodies, to come on PLAIN."""

    def __init__(self, seed, reference="5.3.3", has_compacted=False):
        """has_compacted: a topic that keeps the newest of each key, too. take_light() for light queues."""
        self.random = random.Random(seed)
        self.is_4x = reference.startswith("4")
        self.has_compacted, self.has_light = has_compacted, False
        self.seed = seed
        self.number = 0
        self.acked, self.keys, self.delayed = {}, {}, set()

    def prepare(self, connection):
        """Topics, a group, a subscription by SQL, a mode of reading."""
        topics = {PLAIN: {}, POPPED: {}, ORDERED: {}, BULK: {} if self.is_4x else {"attributes": "+queue.type=BatchCQ"}}
        if self.has_compacted:
            topics[COMPACTED] = {"attributes": "+cleanup.policy=COMPACTION"}
        for topic, attributes in topics.items():
            answer = connection.call(PUT_TOPIC, mq.topic_fields(topic, QUEUES, **attributes))
            assert answer.code == 0, answer.remark
        assert connection.call(PUT_GROUP, body={"groupName": GROUP, "retryMaxTimes": 5}).code == 0
        body = mq.heartbeat_body("kinds@1", [PRODUCERS], {GROUP: [mq.subscription(PLAIN, "number > 5", 1, "SQL92")]})
        connection.call(HEARTBEAT, body=body)
        if not self.is_4x:
            answer = connection.call(SET_MODE, body={"topic": PLAIN, "consumerGroup": GROUP, "mode": "POP",
                                                     "popShareQueueNum": 3})
            assert answer.code == 0, answer.remark

    def change_tables(self, connection):
        """So that each of them has a version before."""
        assert connection.call(PUT_GROUP, body={"groupName": GROUP, "retryMaxTimes": 7}).code == 0
        body = mq.heartbeat_body("kinds@1", [], {GROUP: [mq.subscription(PLAIN, "number > 7", 2, "SQL92")]})
        connection.call(HEARTBEAT, body=body)
        if not self.is_4x:
            answer = connection.call(SET_MODE, body={"topic": PLAIN, "consumerGroup": GROUP, "mode": "PULL",
                                                     "popShareQueueNum": 0})
            assert answer.code == 0, answer.remark

    def take_light(self):
        """From now on: the broker has enableLmq and enableMultiDispatch."""
        self.has_light = True

    def steps(self):
        more = [self.send_compacted] * self.has_compacted + [self.send_light, self.commit_light] * self.has_light
        return self._usual_steps() + more

    def _usual_steps(self):
        old = [self.send, self.send_batch, self.send_delayed, self.transact, self.send_back, self.commit]
        return old if self.is_4x else old + [self.send_timer, self.send_bulk, self.pop, self.pop_in_order]

    def step(self, connection):
        """One request, or two that belong together, of a kind chosen by chance."""
        self.random.choice(self.steps())(connection)

    def one_of_each(self, connection):
        for step in self.steps():
            step(connection)

    def _next(self):
        self.number += 1
        size = self.random.choice((10, 60, 300, 1500))
        return ("%d/%d " % (self.seed, self.number)).encode().ljust(size, b"x"), "%08X%024X" % (self.seed, self.number)

    def _note(self, answer, topic, body, key):
        assert answer.code == 0, answer.remark
        place = topic, int(answer.ext["queueId"]), int(answer.ext["queueOffset"])
        assert place not in self.acked, "the place %s,%d,%d was given twice" % place
        self.acked[place] = body
        if key:
            self.keys[key] = place

    def send(self, connection, topic=PLAIN, **properties):
        body, key = self._next()
        properties = {"UNIQ_KEY": key, "KEYS": "k%d" % (self.number % 7), "TAGS": "t%d" % (self.number % 3), **properties}
        answer = connection.call(SEND, mq.send_fields(topic, self.number % QUEUES, properties), body)
        self._note(answer, topic, body, key)

    def send_batch(self, connection):
        items = [(self._next()[0], {"KEYS": "b%d" % self.number}) for _ in range(self.random.randrange(1, 4))]
        answer = connection.call(BATCH, mq.send_fields(PLAIN, 0, batch=True), mq.encode_batch(items))
        assert answer.code == 0, answer.remark
        first = int(answer.ext["queueOffset"])
        for place, (body, _) in enumerate(items, first):
            self.acked[PLAIN, 0, place] = body

    def _send_later(self, connection, **when):
        body, key = self._next()
        answer = connection.call(SEND, mq.send_fields(PLAIN, 1, {"UNIQ_KEY": key, **when}), body)
        assert answer.code == 0, answer.remark
        self.delayed.add(body)

    def send_delayed(self, connection):
        self._send_later(connection, DELAY=self.random.choice((1, 3, 5)))

    def send_timer(self, connection):
        self._send_later(connection, TIMER_DELIVER_MS=mq.now_ms() + self.random.choice((300, 2000, 4000, 60000)))

    def transact(self, connection):
        """A half, which is committed, rolled back or left."""
        body, key = self._next()
        properties = {"TRAN_MSG": "true", "PGROUP": PRODUCERS, "UNIQ_KEY": key}
        answer = connection.call(SEND, mq.send_fields(PLAIN, 0, properties, sysFlag=4), body)
        assert answer.code == 0, answer.remark
        how = self.random.choice((COMMIT, ROLLBACK, None))
        if how is None:
            return
        end = {"topic": PLAIN, "producerGroup": PRODUCERS, "tranStateTableOffset": answer.ext["queueOffset"],
               "commitLogOffset": mq.phy_offset_of(answer.ext["msgId"]), "commitOrRollback": how,
               "fromTransactionCheck": False, "msgId": key, "transactionId": key}
        connection.oneway(END, end)

    def _pull(self, connection):
        answer = connection.call(PULL, mq.pull_fields(GROUP, PLAIN, 0, 0, count=4))
        return mq.decode_records(answer.body) if answer.code == 0 else []

    def send_back(self, connection):
        records = self._pull(connection)
        if records:
            record = self.random.choice(records)
            connection.call(SEND_BACK, {"offset": record.phy_offset, "group": GROUP, "delayLevel": 1,
                                        "originMsgId": record.msg_id, "originTopic": PLAIN, "unitMode": False,
                                        "maxReconsumeTimes": 16})

    def commit(self, connection):
        answer = connection.call(UPDATE_OFFSET, {"consumerGroup": GROUP, "topic": PLAIN, "queueId": 0,
                                                 "commitOffset": len(self.acked) // 4})
        assert answer.code == 0, answer.remark

    def send_light(self, connection):
        self.send(connection, INNER_MULTI_DISPATCH=",".join(LIGHT[:self.random.randrange(1, 3)]))

    def commit_light(self, connection):
        answer = connection.call(UPDATE_OFFSET, {"consumerGroup": "%LMQ%kinds-reader", "topic": LIGHT[0], "queueId": 0,
                                                 "commitOffset": 1 + self.number % 7})
        assert answer.code == 0, answer.remark

    def send_compacted(self, connection):
        self.send(connection, COMPACTED, KEYS="c%d" % self.random.randrange(9))

    def send_bulk(self, connection):
        items = [(self._next()[0], {}) for _ in range(self.random.randrange(1, 4))]
        key = "%08X%024X" % (self.seed, self.number)
        body = mq.encode_batch(items)
        fields = mq.send_fields(BULK, self.number % QUEUES, {"UNIQ_KEY": key}, batch=True)
        self._note(connection.call(BATCH, fields, body), BULK, body, None)

    def pop(self, connection):
        self.send(connection, POPPED)
        for popped in pop(connection, GROUP, POPPED, count=2, invisible_ms=2000, expect=(0, 209, 210)):
            if self.random.random() < 0.5:
                ack(connection, GROUP, popped)

    def pop_in_order(self, connection):
        self.send(connection, ORDERED)
        pop(connection, GROUP, ORDERED, count=2, invisible_ms=3000, order=True, attemptId="a%d" % self.number,
            expect=(0, 209, 210))
