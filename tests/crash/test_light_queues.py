"""Messages that go to light queues (LMQ) survive the death of the process in every queue they stand in."""

import random
import shutil
import threading

import mini_client as mq
import pytest

TOPIC = "shared"
LIGHT = ["%%LMQ%%%d" % i for i in range(12)]
NAMES, PLACES = "INNER_MULTI_DISPATCH", "INNER_MULTI_QUEUE_OFFSET"
SEND, PULL, MAX_OFFSET = 310, 11, 30


class Sender(threading.Thread):
    """Sends messages that go to up to six light queues, pipelined, until the broker dies; `acked` is what was answered
    with 0: body -> the light queues it names."""

    def __init__(self, broker, seed):
        super().__init__()
        self.connection = broker.connect()
        self.random = random.Random(seed)
        self.seed = seed
        self.acked = {}
        self.error = None
        self.has_enough = threading.Event()

    def run(self):
        waiting = []
        number = 0
        try:
            while True:
                while len(waiting) < 16:
                    number += 1
                    names = self.random.sample(LIGHT, self.random.randrange(1, 7))
                    body = b"%d-%d " % (self.seed, number) + b"." * self.random.choice((10, 900))
                    fields = mq.send_fields(TOPIC, number % 2, {NAMES: ",".join(names)})
                    waiting.append((self.connection.send(SEND, fields, body), body, names))
                opaque, body, names = waiting.pop(0)
                answer = self.connection.receive(opaque)
                assert answer.code == 0, answer.remark
                self.acked[body] = names
                if len(self.acked) > 300:
                    self.has_enough.set()
        except (mq.Closed, OSError):
            pass
        except Exception as error:  # shown by the test's thread
            self.error = error


def send_until_killed(broker, seed):
    sender = Sender(broker, seed)
    sender.start()
    assert sender.has_enough.wait(30)
    broker.kill()
    sender.join(10)
    assert not sender.is_alive() and sender.error is None, sender.error
    return sender.acked


def read_queue(connection, topic, queue_id=0):
    """Its records by place; fails when one is missing, stands elsewhere than it says, or twice."""
    end = int(connection.call(MAX_OFFSET, {"topic": topic, "queueId": queue_id}).ext["offset"])
    records = []
    while len(records) < end:
        answer = connection.call(PULL, mq.pull_fields("crash_group", topic, queue_id, len(records)))
        assert answer.code == 0, (topic, len(records), end, answer.remark)
        records += mq.decode_records(answer.body)
    for place, record in enumerate(records):
        places = dict(zip(record.properties[NAMES].split(","), map(int, record.properties[PLACES].split(","))))
        assert (record.queue_offset if topic == TOPIC else places[topic]) == place
    bodies = [record.body for record in records]
    assert len(set(bodies)) == len(bodies)
    return bodies


@pytest.mark.conf(enableLmq="true", enableMultiDispatch="true")
@pytest.mark.parametrize("seed", range(2))
def test_kill_loses_no_place_in_a_light_queue(broker, seed):
    """Goal: SIGKILL in the middle of pipelined sends loses none that was acknowledged, in none of its queues, and no
    place is used twice; the same when the queues are lost as well.
    Method: three rounds on one store; before the last start the queues are removed."""
    broker.start()
    acked = {}
    for number in range(3):
        acked.update(send_until_killed(broker, seed * 100 + number))
        if number == 2:
            shutil.rmtree(broker.store / "consumequeue")
        broker.start()
        with broker.connect() as connection:
            light = {name: set(read_queue(connection, name)) for name in LIGHT}
            own = set(read_queue(connection, TOPIC, 0)) | set(read_queue(connection, TOPIC, 1))
        lost = [body for body, names in acked.items()
                if body not in own or any(body not in light[name] for name in names)]
        assert not lost, "%d of %d lost, e.g. %s" % (len(lost), len(acked), lost[:3])
