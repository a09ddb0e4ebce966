"""What is written to a broker, and how it is found again: messages, offsets, keys, ids, topics, groups."""

import mini_client as mq
from servers import wait_until

SEND, BATCH, PULL, QUERY_KEY, VIEW = 310, 320, 11, 12, 33
QUERY_OFFSET, UPDATE_OFFSET, MAX_OFFSET = 14, 15, 30
PUT_TOPIC, GET_TOPIC, PUT_GROUP = 17, 351, 200
TOPICS = ("compat-a", "compat-b")
QUEUES = 4
GROUP = "compat_group"


class Cargo:
    """Expected content of a store: grows with every load()."""

    def __init__(self):
        self.bodies = {}   # (topic, queue) -> [body, ...] by queue offset
        self.keys = {}     # key -> (topic, body)
        self.ids = {}      # message id -> body
        self.offsets = {}  # (topic, queue) -> committed offset

    def load(self, broker, mark, count=200):
        """Writes `count` messages per topic and commits offsets."""
        with broker.connect() as connection:
            self._make_topics(connection)
            for topic in TOPICS:
                for number in range(count):
                    self._send(connection, topic, number % QUEUES, "%s-%s-%d" % (mark, topic, number))
                self._send_batch(connection, topic, ["%s-batch-%d" % (mark, i) for i in range(10)])
                for queue in range(QUEUES):
                    self._commit(connection, topic, queue)

    def _make_topics(self, connection):
        for topic in TOPICS:
            answer = connection.call(PUT_TOPIC, mq.topic_fields(topic, QUEUES))
            assert answer.code == 0, answer.remark
        answer = connection.call(PUT_GROUP, body={"groupName": GROUP})
        assert answer.code == 0, answer.remark

    def _send(self, connection, topic, queue, text):
        body = text.encode() * 3
        answer = connection.call(SEND, mq.send_fields(topic, queue, {"KEYS": text, "TAGS": "even"}), body)
        assert answer.code == 0, answer.remark
        queue_bodies = self.bodies.setdefault((topic, queue), [])
        assert int(answer.ext["queueOffset"]) == len(queue_bodies)
        queue_bodies.append(body)
        self.keys[text] = (topic, body)
        self.ids[answer.ext["msgId"]] = body

    def _send_batch(self, connection, topic, texts):
        items = [(text.encode(), {"KEYS": text}) for text in texts]
        answer = connection.call(BATCH, mq.send_fields(topic, 0, batch=True), mq.encode_batch(items))
        assert answer.code == 0, answer.remark
        self.bodies.setdefault((topic, 0), []).extend(body for body, _ in items)

    def _commit(self, connection, topic, queue):
        offset = len(self.bodies[topic, queue]) // 2
        answer = connection.call(UPDATE_OFFSET, {"consumerGroup": GROUP, "topic": topic,
                                                 "queueId": queue, "commitOffset": offset})
        assert answer.code == 0, answer.remark
        self.offsets[topic, queue] = offset

    def expect(self, broker, offsets=True):
        """Finds everything in the broker, and nothing else."""
        with broker.connect() as connection:
            for (topic, queue), bodies in self.bodies.items():
                end = connection.call(MAX_OFFSET, {"topic": topic, "queueId": queue}).ext["offset"]
                assert int(end) == len(bodies), (topic, queue)
                assert pull_all(connection, topic, queue) == bodies
            for topic in TOPICS if self.bodies else ():
                config = connection.call(GET_TOPIC, {"topic": topic})
                if config.code != 3:  # not known to 4.x
                    assert config.json()["readQueueNums"] == QUEUES
            for (topic, queue), offset in self.offsets.items() if offsets else ():
                answer = connection.call(QUERY_OFFSET, {"consumerGroup": GROUP, "topic": topic,
                                                        "queueId": queue})
                assert (answer.code, answer.ext.get("offset")) == (0, str(offset)), (topic, queue)
            for message_id, body in list(self.ids.items())[::17]:
                answer = connection.call(VIEW, {"offset": mq.phy_offset_of(message_id)})
                assert mq.decode_records(answer.body)[0].body == body
            for key, (topic, body) in list(self.keys.items())[::23]:
                assert body in query(connection, topic, key), key


    def expect_soon(self, broker, **how):
        """The same. The reference builds queues and index behind its log: what is asked too early is asked again."""
        def is_found():
            try:
                self.expect(broker, **how)
                return True
            except AssertionError:
                return False
        try:
            wait_until(is_found, 120, "the whole content", 0.5)
        except TimeoutError:
            self.expect(broker, **how)


def pull_all(connection, topic, queue):
    bodies = []
    while True:
        answer = connection.call(PULL, mq.pull_fields(GROUP, topic, queue, len(bodies)))
        if answer.code != 0:
            assert answer.code == 19, answer.remark
            return bodies
        for record in mq.decode_records(answer.body):
            assert record.queue_offset == len(bodies)
            bodies.append(record.body)


def query(connection, topic, key):
    answer = connection.call(QUERY_KEY, {"topic": topic, "key": key, "maxNum": 32, "beginTimestamp": 0,
                                         "endTimestamp": mq.now_ms() + 60000})
    assert answer.code in (0, 22), answer.remark
    return [record.body for record in mq.decode_records(answer.body)]
